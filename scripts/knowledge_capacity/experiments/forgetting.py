"""Learning and forgetting: what is known after so many exposures, and what is left when training goes on with others.

Both curves are of weights kept on the way, so that they cost no further runs. The paper says nothing of which kind of
fact is known first, or of how fast other people take its place.
"""

import json
import math
from collections.abc import Iterator
from functools import cache

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator, PercentFormatter

from ..figures import style
from ..measurements.columns import add_columns
from ..specs import FULL_PRECISION, Biography, Snapshot, parse_dataset, parse_recipe
from ..statistics.intervals import interval_over_seeds, interval_over_units
from ..verdicts import claims
from ..verdicts.claims import TOLERANCE, Claim, NotMeasured, Reading
from ..verdicts.sentences import Comparison

SHOWS_SNAPSHOTS = True
NOTHING = "No recipe here keeps weights on the way (snapshots: true)."
LEARNING, FORGETTING = "learning", "forgetting"
MODEL = ["dataset", "architecture", "own_recipe"]
LINE = [*MODEL, "panel", "line"]
HALF = 0.5  # of what is to be known of a kind of fact
ONCE = 1  # exposures of others, after which the claim is judged
TOLD = (ONCE, 10, 100)  # those in the table
# of each panel: what stands along x and y, and the corner of the legend, off lines and curves
PANELS = {
    LEARNING: ("exposures", "% known, of all bits of a kind", (0.0, 1.03)),
    FORGETTING: ("exposures of other people, afterwards", "% of the bits known before", (0.5, 0.88)),
}
LIMITS = {LEARNING: (-0.1, 1.05), FORGETTING: (-0.2, 1.1)}  # of what is shown
MOST_MODELS = 4  # rows of panels
ASIDE = 1.03  # of x, from one line to the next
KEY = "bars: 95 % intervals of the mean over seeds.  below 0: worse than a guess, and cut off.  dashed: half, and all"


def select_points(rows: pd.DataFrame) -> pd.DataFrame:
    """What is known at each time, by line: mean, low and high over seeds, of models on biographies, the smallest first.

    In the panel LEARNING, lines are kinds of facts, x is exposures, and the mean is the share of their bits that is
    known. In FORGETTING, lines are settings of what follows, x is exposures of other people, and the mean is the bits
    left over those at the end of the exposures.
    """
    times = list_times(rows)
    points = [*_learning_points(times), *_forgetting_points(times)]
    columns = [*LINE, "x", "mean", "low", "high", "seeds", "n_people", "n_parameters"]
    found = pd.DataFrame(points, columns=columns)
    order = {name: i for i, name in enumerate(dict.fromkeys(found.line))}
    found = found.assign(order=found.line.map(order))
    keys = ["n_parameters", *MODEL, "panel", "order", "x"]
    return found.sort_values(keys, ascending=[True] * 4 + [False, True, True], ignore_index=True)


def list_times(rows: pd.DataFrame) -> pd.DataFrame:
    """The measurements of weights on the way and at the end, of runs that keep them.

    own, others: exposures of the run's people, and of others, missing before these begin. setting: in words, what
    follows the exposures, "" where nothing does. own_recipe: the recipe without it.
    """
    rows = add_columns(rows)
    found = [_find_time(row) for row in rows.itertuples()]
    rows, times = rows[[time is not None for time in found]], [time for time in found if time]
    return rows.assign(
        own=[time.exposures for time in times],
        others=pd.array([time.others for time in times], dtype="Int64"),
        setting=[_name_setting(spec) for spec in rows.recipe_spec],
        own_recipe=[_cut_recipe(spec) for spec in rows.recipe_spec],
    )


def draw_figure(points: pd.DataFrame) -> Figure:
    """A row for each model: on the left how kinds of facts are learned, on the right what is left afterwards."""
    style.apply_style()
    models = list(points.groupby(MODEL, sort=False))[:MOST_MODELS]
    panels = [name for name in (LEARNING, FORGETTING) if (points.panel == name).any()]
    figure, axes = plt.subplots(
        len(models),
        len(panels),
        figsize=(1.25 * style.COLUMN * len(panels), 0.8 * style.COLUMN * len(models) + 0.3),
        squeeze=False,
        sharex="col",
        sharey="col",
    )
    for row, (_, model) in zip(axes, models, strict=True):
        for ax, panel in zip(row, panels, strict=True):
            shown = model[model.panel == panel]
            _draw_lines(ax, shown, style.assign_colors(points.line[points.panel == panel]))
            ax.set_ylim(*LIMITS[panel])
            ax.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=None))
            ax.axhline(HALF if panel == LEARNING else 1, color="0.6", ls="--", lw=0.8, zorder=0)
            ax.axhline(0, color="0.8", lw=0.8, zorder=0)
            first = model.iloc[0]
            size = style.format_short(first.n_parameters)
            ax.set_title(f"{first.n_people:,} people, {size} parameters")
    for column, panel in enumerate(panels):
        across, along, corner = PANELS[panel]
        for ax in axes[:, column]:
            ax.set_ylabel(along)
        axes[-1, column].set_xlabel(across)
        axes[0, column].legend(frameon=False, loc="upper left", bbox_to_anchor=corner, labelspacing=0.25)
    figure.supxlabel(KEY, fontsize=6, color="0.45")
    return figure


def describe_figure(points: pd.DataFrame) -> str:
    """What the figure shows, in numbers."""
    said = []
    for _, model in points.groupby(MODEL, sort=False):
        first = model.iloc[0]
        parts = []
        for (panel, name), line in model.groupby(["panel", "line"], sort=False):
            if panel == LEARNING:
                parts.append(f"{name} {_format_half(line)}")
            else:
                left = ", ".join(
                    f"{share:z.0%} after {x}"
                    for x, share in zip(line.x, line["mean"], strict=True)
                    if x in TOLD
                )
                parts.append(f"left with {name}: {left}")
        said.append(f"{first.architecture} on {first.n_people:,} people: {'; '.join(parts)}")
    return f"Exposures after which half is known, and bits left after exposures of others. {'. '.join(said)}."


def tabulate_points(points: pd.DataFrame) -> pd.DataFrame:
    """The numbers behind the figure: a row for each line."""
    rows = []
    for _, line in points.groupby(LINE, sort=False):
        first, last = line.iloc[0], line.iloc[-1]
        learned = first.panel == LEARNING
        at = line.set_index("x")
        rows.append(
            {
                "people": f"{first.n_people:,}",
                "model": first.architecture,
                "parameters": f"{first.n_parameters:z,.0f}",
                "seeds": first.seeds,
                "what": first.line if learned else f"left with {first.line}",
                "half known after": _format_half(line) if learned else "",
                "known at the end": _format_share(last) if learned else "",
                **{
                    f"left after {x}": "" if learned or x not in at.index else _format_share(at.loc[x])
                    for x in TOLD
                },
                "left at the end": "" if learned else f"{_format_share(last)} after {last.x}",
            }
        )
    return pd.DataFrame(rows)


def bits_left_ratio(rows: pd.DataFrame) -> Reading:
    """Bits left after one exposure of other people over bits before, over all models that were trained so.

    Of several settings the one with the most others counts, and of those the one with the lowest rate.
    """
    times = list_times(rows)
    late = times[times.others == ONCE]
    if late.empty:
        raise NotMeasured("a model that went on with other people, with its weights on the way")
    chosen = _name_setting(min(set(late.recipe_spec), key=_rank_setting))
    pairs = []
    for _, after in late[late.setting == chosen].groupby([*MODEL, "recipe"]):
        before = times[(times.others == 0) & times.run.isin(after.run) & (times.bits_learned > 0)]
        after = after[after.run.isin(before.run)]
        if len(after):
            pairs.append((after.sort_values("run"), before.sort_values("run")))
    if not pairs:
        raise NotMeasured("a model that knew something before it went on with other people")
    values = [list(after.bits_learned.to_numpy() / before.bits_learned.to_numpy()) for after, before in pairs]
    found = interval_over_units(values, [[0.0] * len(unit) for unit in values])
    return claims.pairs_reading(found, pairs)


def _rank_setting(spec: str) -> tuple[float, float]:
    then = parse_recipe(json.loads(spec)).afterwards
    assert then
    return -then.people, _rate_afterwards(spec)


@cache
def _rate_afterwards(spec: str) -> float:
    recipe = parse_recipe(json.loads(spec))
    assert recipe.afterwards
    return recipe.afterwards.lr or recipe.final_lr * recipe.lr


def _find_time(row: object) -> Snapshot | None:
    """When the weights of a measurement were what they are; None of quantised ones, and of runs that keep no others."""
    dataset, recipe, variant, spec = (
        getattr(row, name) for name in ("dataset_spec", "recipe_spec", "variant", "variant_spec")
    )
    if not _is_told(dataset, recipe):
        return None
    if variant == FULL_PRECISION:
        whole = parse_recipe(json.loads(recipe))
        return Snapshot(whole.exposures, whole.afterwards.exposures if whole.afterwards else None)
    return Snapshot(**json.loads(spec)) if Snapshot.is_spec_of(spec) else None


@cache
def _is_told(dataset: str, recipe: str) -> bool:
    kept = parse_recipe(json.loads(recipe)).snapshots
    return kept and isinstance(parse_dataset(json.loads(dataset)), Biography)


@cache
def _name_setting(spec: str) -> str:
    then = parse_recipe(json.loads(spec)).afterwards
    return f"{then.people:,} others, rate {_rate_afterwards(spec):g}" if then else ""


@cache
def _cut_recipe(spec: str) -> str:
    """A recipe without what follows its exposures, as JSON."""
    return json.dumps(
        {key: value for key, value in json.loads(spec).items() if key != "afterwards"}, sort_keys=True
    )


@cache
def _bits_of_kinds(spec: str) -> dict[str, float]:
    """How many bits of each kind of fact there are to know."""
    dataset = parse_dataset(json.loads(spec))
    assert isinstance(dataset, Biography)
    each = {"name": dataset.pools.names / dataset.n_people, **dataset.choices}
    return {kind: dataset.n_people * math.log2(choices) for kind, choices in each.items() if choices > 1}


def _learning_points(times: pd.DataFrame) -> Iterator[tuple[object, ...]]:
    """Runs that go on in several ways are one run until then."""
    early = times[times.others.fillna(0) == 0].drop_duplicates([*MODEL, "seed", "own"])
    for key, model in early.groupby(MODEL):
        for kind, most in _bits_of_kinds(model.dataset_spec.iloc[0]).items():
            for exposures, group in model.groupby("own"):
                shares = [dict(bits)[kind] / most for bits in group.bits_by_attribute]
                yield _summarize((*key, LEARNING, kind.replace("_", " "), exposures), shares, group)


def _forgetting_points(times: pd.DataFrame) -> Iterator[tuple[object, ...]]:
    known = times[times.others == 0].set_index("run").bits_learned
    late = times[times.others > 0]
    late = late.assign(before=late.run.map(known).astype(float))
    late = late[late.before > 0]
    for key, group in late.groupby([*MODEL, "setting", "others"]):
        *model, setting, others = key
        yield _summarize(
            (*model, FORGETTING, setting, others), list(group.bits_learned / group.before), group
        )


def _summarize(key: tuple[object, ...], shares: list[float], rows: pd.DataFrame) -> tuple[object, ...]:
    found = interval_over_seeds(shares, [0.0] * len(shares))
    return (*key, *found, rows.seed.nunique(), rows.n_people.iloc[0], float(rows.n_parameters.mean()))


def _draw_lines(ax: Axes, points: pd.DataFrame, colours: style.Colours) -> None:
    lines = list(points.groupby("line", sort=False))
    for i, (name, line) in enumerate(lines):
        aside = ASIDE ** (i - (len(lines) - 1) / 2)  # so that bars stand beside each other
        ax.errorbar(
            line.x.astype(float) * aside,
            line["mean"],
            yerr=[line["mean"] - line.low, line.high - line["mean"]],
            fmt="o-",
            ms=3,
            lw=1,
            elinewidth=0.6,
            color=colours[name],
            label=name,
        )
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(style.format_with_suffix))


def find_half(line: pd.DataFrame) -> float | None:
    """The exposures after which half is known, on a straight line between points over log exposures; None for never."""
    known, logs = line["mean"].to_numpy(float), np.log(line.x.to_numpy(float))
    above = np.flatnonzero(known >= HALF)
    if not len(above):
        return None
    first = int(above[0])
    if not first:
        return float(line.x.iloc[0])
    part = (HALF - known[first - 1]) / (known[first] - known[first - 1])
    return float(np.exp(logs[first - 1] + part * (logs[first] - logs[first - 1])))


def _format_half(line: pd.DataFrame) -> str:
    half = find_half(line)
    return "not reached" if half is None else f"{half:z.0f}"


def _format_share(point: pd.Series) -> str:
    return f"{point['mean']:z.0%} ({point.low:z.0%} to {point.high:z.0%})"


CLAIMS = [
    Claim(
        "A model that goes on with other people forgets those it knew",
        "it says nothing of training on other people afterwards: not a claim of the paper",
        "bits left over those known before, after one exposure of the most other people at the lowest rate",
        -math.inf,
        1 / TOLERANCE,
        bits_left_ratio,
        Comparison("a model that has read once of other people", "before", "knows", "bits"),
    )
]
