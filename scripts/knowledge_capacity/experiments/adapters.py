"""Capacity of adapters: bits per trained parameter of low-rank updates, by rank, placement and what lies below.

A model is trained on other people, on random strings, or not at all. Then it stays, and an adapter learns the people.
arXiv 2607.21351 measured adapters of a model of 2M parameters on random tokens; docs/results.md puts them beside these.
"""

import json
import math
from dataclasses import replace
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ..figures import style
from ..measurements.columns import add_columns
from ..specs import FULL_PRECISION, Adapter, parse_recipe
from ..statistics.compare import capacity_ratio
from ..statistics.intervals import independent_difference
from ..verdicts import claims
from ..verdicts.claims import Claim, NotMeasured, Reading
from ..verdicts.sentences import Difference

BASES = {"others": "on other people", "strings": "on random strings", "none": "not at all"}
TARGETS = {"layers": "all layers", "attention": "attention", "mlp": "MLP", "embeddings": "embeddings"}
WHOLE = "all weights"  # trained, without an adapter
DATA = {"bioS": "biographies", "random": "random strings"}
SETTING = ["dataset", "kind", "n_people", "architecture", "exposures"]
ADAPTER = ["base", "targets", "rank"]
LEAST = 0.1  # bits per trained parameter that count as more


def select_points(rows: pd.DataFrame) -> pd.DataFrame:
    """A point for each adapter, and for models that are trained as a whole beside them: ratio, low, high, seeds.

    None, where no adapter was measured.
    """
    rows = read_adapters(rows)
    if not (rows["rank"] > 0).any():
        return rows.iloc[:0]
    found = []
    for keys, cell in rows.groupby([*SETTING, *ADAPTER]):
        mean, low, high = capacity_ratio(cell)
        found.append(
            {
                **dict(zip([*SETTING, *ADAPTER], keys, strict=True)),
                "ratio": mean,
                "low": low,
                "high": high,
                "most": cell.capacity_ratio_max.mean(),
                "n_parameters": cell.n_parameters.mean(),
                "seeds": cell.seed.nunique(),
                "data_limited": cell.data_limited.astype(bool).all(),
            }
        )
    points = pd.DataFrame(found)
    order = {name: place for place, name in enumerate([*BASES, "", *TARGETS, WHOLE])}
    return points.sort_values(
        [*SETTING, *ADAPTER],
        key=lambda column: column.map(lambda value: order.get(value, value)),
        ignore_index=True,
    )


def read_adapters(rows: pd.DataFrame) -> pd.DataFrame:
    """Runs with an adapter, and those of the same models and data that were trained as a whole.

    base, targets and rank: of the adapter; of a whole model "", WHOLE and 0.
    """
    rows = add_columns(rows)
    rows = rows[(rows.variant == FULL_PRECISION) & rows.capacity_ratio.notna() & (rows.junk_share == 0)]
    adapters = [parse_recipe(json.loads(spec)).adapter for spec in rows.recipe_spec]
    rows = rows.assign(
        base=[_name_base(adapter) for adapter in adapters],
        targets=[adapter.targets if adapter else WHOLE for adapter in adapters],
        rank=[adapter.rank if adapter else 0 for adapter in adapters],
    )
    settings = set(rows[rows["rank"] > 0].set_index(SETTING).index)
    beside = rows.set_index(SETTING).index.isin(settings)
    return rows[beside]


def draw_figure(points: pd.DataFrame) -> Figure:
    """A row for each dataset: bits per trained parameter by rank, and by placement at one rank."""
    style.apply_style()
    settings = list(points.groupby(SETTING, sort=False))
    figure, axes = plt.subplots(
        len(settings),
        2,
        figsize=(2.2 * style.COLUMN, style.COLUMN * len(settings)),
        squeeze=False,
        sharey="row",
    )
    colours = style.assign_colors(BASES)
    whole_shown = deep = False
    for (left, right), (_, setting) in zip(axes, settings, strict=True):
        adapters = setting[setting["rank"] > 0]
        by_rank = adapters[adapters.targets == "layers"]
        floor = -max(0.5, float(adapters.high.max()))
        deep |= bool((adapters.ratio < floor).any())
        left.set_ylim(floor, 1.1 * max(0.1, float(adapters.high.max())))
        for base, line in by_rank.groupby("base", sort=False):
            left.plot(line["rank"], line.ratio.clip(lower=floor), "-", color=colours[base], lw=1)
            for row in line.itertuples():
                _draw_estimate(left, row.rank, row, colours[base])
        _set_rank_axis(left, by_rank["rank"])
        rank, placed = _most_placements(adapters)
        places = [name for name in TARGETS if (placed.targets == name).any()]
        for shift, (base, line) in enumerate(placed.groupby("base", sort=False)):
            for row in line.itertuples():
                _draw_estimate(right, places.index(row.targets) + 0.15 * (shift - 1), row, colours[base])
        right.set_xticks(range(len(places)), [TARGETS[name] for name in places])
        right.set_xlim(-0.5, len(places) - 0.5)
        right.set_xlabel(f"where the adapter of rank {rank} is")
        for ax in (left, right):
            ax.axhline(0, color="0.7", lw=0.7, zorder=0)
            whole = setting[(setting["rank"] == 0) & ~setting.data_limited]
            whole_shown |= len(whole) > 0
            for ratio in whole.ratio:
                ax.axhline(ratio, color="0.3", lw=0.8, ls="--", zorder=0)
        first = setting.iloc[0]
        left.set_ylabel("bits per trained parameter")
        left.set_title(
            f"{DATA.get(first.kind, first.kind)} ({style.format_with_suffix(first.n_people)})", loc="left"
        )
    for base in dict.fromkeys(points[points["rank"] > 0].base):
        axes[0, 0].plot([], [], "o-", ms=4, lw=1, color=colours[base], label=BASES[base])
    figure.legend(
        loc="outside upper center", ncols=len(BASES), frameon=False, title="the model below was trained"
    )
    style.write_key(
        figure,
        [
            "bars: 95 % intervals over seeds",
            "hollow: limited by the dataset" if points.data_limited[points["rank"] > 0].any() else "",
            "dashed: all weights trained, where the dataset suffices" if whole_shown else "",
        ],
        [
            "triangles, with their values: far below zero, where a model knows less than a guesser"
            if deep
            else ""
        ],
    )
    return figure


def describe_figure(points: pd.DataFrame) -> str:
    """What the figure shows, in numbers."""
    said = []
    for (kind, base), line in points[points.targets == "layers"].groupby(["kind", "base"], sort=False):
        ratios = ", ".join(f"{row.ratio:z.2f} at rank {row.rank}" for row in line.itertuples())
        said.append(f"on {DATA.get(kind, kind)}, above a model trained {BASES[base]}: {ratios}")
    return f"Bits per trained parameter of adapters in all layers; {'; '.join(said)}."


def tabulate_points(points: pd.DataFrame) -> pd.DataFrame:
    """The numbers behind the figure."""
    ratio = "{:z.2f}".format
    return pd.DataFrame(
        {
            "data": [f"{DATA.get(row.kind, row.kind)} ({row.n_people:,})" for row in points.itertuples()],
            "exposures": points.exposures,
            "model": points.architecture,
            "trained before": points.base.map(lambda base: BASES.get(base, "")),
            "trained": points.targets.map(lambda name: TARGETS.get(name, WHOLE)),
            "rank": points["rank"].map(lambda rank: rank or ""),
            "trained parameters": points.n_parameters.map("{:z,.0f}".format),
            "bits per trained parameter": points.ratio.map(ratio),
            "95 % interval": points.low.map(ratio) + " to " + points.high.map(ratio),
            "at most": points.most.map(ratio),
            "seeds": points.seeds,
        }
    )


def mlp_attention_difference(rows: pd.DataFrame) -> Reading:
    """R of adapters in the MLP less that of adapters in attention, of one rank, on the same people and base."""
    rows = read_adapters(rows)
    pairs = []
    for _, cell in rows[rows["rank"] > 0].groupby([*SETTING, "base", "rank"]):
        placed = [cell[cell.targets == name] for name in ("mlp", "attention")]
        if all(map(len, placed)) and _has_learned(placed[0]):
            pairs.append((placed[0], placed[1]))
    return _compare_best(pairs, "adapters in the MLP and in attention, of one rank")


def best_lowest_rank_difference(rows: pd.DataFrame) -> Reading:
    """R of adapters of the rank that stores most less that of the lowest rank, in all layers, where no dataset limits
    them.
    """
    rows = read_adapters(rows)
    pairs = []
    for _, cell in rows[(rows["rank"] > 0) & (rows.targets == "layers")].groupby([*SETTING, "base"]):
        free = [one for _, one in cell.groupby("rank") if not one.data_limited.any()]
        best = max(free, key=lambda one: float(one.capacity_ratio.mean()), default=cell)
        if len(free) > 1 and best is not free[0] and _has_learned(best):
            pairs.append((best, free[0]))
    return _compare_best(pairs, "adapters of two ranks that no dataset limits")


def _compare_best(pairs: list[tuple[pd.DataFrame, pd.DataFrame]], wanted: str) -> Reading:
    """The difference of a pair: of biographies rather than strings, with the most seeds, of the most people."""
    if not pairs:
        raise NotMeasured(wanted)

    def rank(pair: tuple[pd.DataFrame, pd.DataFrame]) -> tuple[bool, int, int]:
        first = pair[0].iloc[0]
        return first.kind == "bioS", min(one.seed.nunique() for one in pair), first.n_people

    best = max(pairs, key=rank)
    a, b = claims.model_reading(best[0]), claims.model_reading(best[1])
    return replace(
        a,
        value=independent_difference(a.value, b.value),
        seeds=min(a.seeds, b.seeds),
        n_parameters=(min(a.n_parameters[0], b.n_parameters[0]), max(a.n_parameters[1], b.n_parameters[1])),
        cells=(*a.cells, *b.cells),
    )


def _has_learned(rows: pd.DataFrame) -> bool:
    return len(rows) > 0 and bool(rows.capacity_ratio.min() > 0)


def _name_base(adapter: Adapter | None) -> str:
    if not adapter:
        return ""
    return adapter.base.trained_on if adapter.base else "none"


def _most_placements(adapters: pd.DataFrame) -> tuple[int, pd.DataFrame]:
    """The rank at which adapters were put into the most places, and their points."""
    rank = int(adapters.groupby("rank").targets.nunique().idxmax())
    return rank, adapters[adapters["rank"] == rank]


def _draw_estimate(ax: Axes, x: float, row: Any, colour: style.Colour) -> None:
    low, mean, high, limited = (getattr(row, name) for name in ("low", "ratio", "high", "data_limited"))
    if mean < (floor := ax.get_ylim()[0]):
        ax.plot(x, floor, "v", ms=5, color=colour, clip_on=False)
        above = 4 + 8 * list(BASES).index(str(row.base))  # one over the other, where there are several
        ax.annotate(
            f"{mean:z.1f}", (x, floor), (4, above), textcoords="offset points", fontsize=6, color=colour
        )
        return
    face = "white" if limited else colour
    ax.errorbar(
        x, mean, yerr=[[mean - low], [high - mean]], fmt="o", ms=4, mfc=face, color=colour, capsize=2, lw=0.8
    )


def _set_rank_axis(ax: Axes, ranks: pd.Series) -> None:
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(FixedLocator(sorted(ranks.unique())))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(style.format_with_suffix))
    ax.set_xlabel("rank of the adapter in all layers")


CLAIMS = [
    Claim(
        "An adapter stores more per trained parameter in the MLP than in attention",
        "2.43 against 1.30 at 37K trained parameters (arXiv 2607.21351): not a claim of this paper",
        "R of an adapter in the MLP less R of one in attention, of the same rank",
        LEAST,
        math.inf,
        mlp_attention_difference,
        Difference("an adapter in the MLP", "one in attention", "bits per trained parameter"),
    ),
    Claim(
        "An adapter of higher rank stores more per trained parameter",
        "2.75 at rank 16, 1.71 at rank 1 (arXiv 2607.21351): not a claim of this paper",
        "R of the rank that stores most less R of the lowest, in all layers",
        LEAST,
        math.inf,
        best_lowest_rank_difference,
        Difference("an adapter of the best rank", "one of the lowest", "bits per trained parameter"),
    ),
]
