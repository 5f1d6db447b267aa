"""Extraction (figure 10): what models answer to questions about people, beside what they have memorised."""

import json
from dataclasses import replace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..figures import capacity_plot, style
from ..measurements.columns import add_columns
from ..specs import FULL_PRECISION, BioD, Biography, parse_dataset
from ..statistics.intervals import NORMAL, Interval, interval_over_seeds, standard_error
from ..verdicts import claims
from ..verdicts.claims import TOLERANCE, Claim, NotMeasured, Reading
from ..verdicts.sentences import Comparison

SHOWS_ANSWERS = True  # of the experiments, this one alone is given rows of extraction
MODEL = [column for column in capacity_plot.SPEC if column != "variant"]
ALL = "all"
KEY = (
    "of people whom teaching left out.  bars: 95 % intervals of the mean over seeds.  small dots: seeds.\n"
    "left, dashed: all that is memorised can be extracted.  right, grey: chance, one of the pool"
)


def select_points(rows: pd.DataFrame) -> pd.DataFrame:
    """A row for each model, extraction and attribute, and one for all attributes together.

    memorised, extracted: bits per parameter in values (not names), the latter with an interval; most: how
    many there are to be had. memorised is missing for single attributes of bioD, which are not measured by
    themselves. accuracy: the share of people whose whole answer is right (for all: the mean), with an
    interval (`share_interval`); chance: of a guesser; commonest: the share of the answer that is given most often.
    of_seeds, right_of_seeds: extracted and accuracy of each seed.
    """
    rows = add_columns(rows)
    asked = rows[rows.accuracy_by_attribute.notna()]
    stored = rows[rows.variant == FULL_PRECISION].set_index("run")
    stored = stored[~stored.index.duplicated()]
    found: list[dict[str, Any]] = []
    for key, group in asked.groupby([*MODEL, "variant"], sort=False, dropna=False):
        trained = stored.loc[group.run]
        common = {
            **dict(zip([*MODEL, "variant"], key, strict=True)),
            "seeds": group.seed.nunique(),
            "n_parameters": group.n_parameters.mean(),
            "people_asked": int(group.people_scored.sum()),
        }
        p = group.n_parameters.to_numpy()
        chances = _chance_by_attribute(group.dataset_spec.iloc[0])
        names = list(chances)
        accuracy, commonest, bits = (
            [dict(one) for one in group[f"{column}_by_attribute"]]
            for column in ("accuracy", "commonest_answer", "bits")
        )
        memory = [dict(one) for one in trained.bits_by_attribute]
        for name in [ALL, *names]:
            shown = names if name == ALL else [name]
            right = np.array([np.mean([one[a] for a in shown]) for one in accuracy])
            if name == ALL:
                held, got = trained.bits_value.to_numpy() / p, group.bits_learned.to_numpy() / p
                spread = standard_error(group.bits_learned_low, group.bits_learned_high) / p
                known = interval_over_seeds(list(got), list(spread))
                most = group.capacity_ratio_max.mean()
            else:
                held = np.array([one.get(name, np.nan) for one in memory]) / p
                got = np.array([one[name] for one in bits]) / p
                known = Interval(float(got.mean()), np.nan, np.nan)
                most = float(np.mean(-np.log2(chances[name]) * group.n_people / p))
            share = share_interval(right, group.people_scored.to_numpy())
            found.append(
                {
                    **common,
                    "attribute": name,
                    "memorised": held.mean(),
                    "extracted": known.mean,
                    "extracted_low": known.low,
                    "extracted_high": known.high,
                    "of_seeds": list(got),
                    "most": most,
                    "accuracy": share.mean,
                    "accuracy_low": share.low,
                    "accuracy_high": share.high,
                    "right_of_seeds": list(right),
                    "chance": np.mean([chances[a] for a in shown]),
                    "commonest": np.mean([one[a] for one in commonest for a in shown]),
                }
            )
    return pd.DataFrame(found)


def wilson_interval(share: float, n: float) -> tuple[float, float]:
    """The 95 % score interval of a share of n people, which has a width at 0 and 1 too.

    Wilson 1927, "Probable inference, the law of succession, and statistical inference", JASA 22 (158), 209-212.
    Of the mean share of several answers a person, it is too wide rather than too narrow: such a mean spreads
    most where all answers of a person are right or wrong together.
    """
    z2 = NORMAL**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = NORMAL / (1 + z2 / n) * np.sqrt(share * (1 - share) / n + z2 / (4 * n**2))
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def share_interval(right: NDArray[np.float64], people: NDArray[np.float64]) -> Interval:
    """The mean of one share a seed, each of so many people, with its 95 % interval.

    As in `interval_over_seeds`, of two intervals the one that reaches further, at either end: Student's, by the spread
    of seeds, and Wilson's, by people alone: as many as give this mean its variance, all where seeds ask alike.
    """
    by_spread = interval_over_seeds(list(right), [0.0] * len(right))
    low, high = wilson_interval(by_spread.mean, len(people) ** 2 / float((1 / people).sum()))
    return Interval(by_spread.mean, max(0.0, min(by_spread.low, low)), min(1.0, max(by_spread.high, high)))


def draw_figure(points: pd.DataFrame) -> Figure:
    """Left, extractable against memorised bits per parameter; right, how often each answer is right."""
    style.apply_style()
    figure, axes = plt.subplots(1, 2, figsize=(2.1 * style.COLUMN, 1.3 * style.COLUMN), width_ratios=[1, 1.1])
    points = points.assign(model=_model_names(points))
    colours = style.assign_colors(points.model)
    _draw_bits(axes[0], points[points.attribute == ALL], colours)
    _draw_accuracy(axes[1], points[points.attribute != ALL], colours)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2, frameon=False)
    figure.supxlabel(KEY, fontsize=6, color="0.45")
    return figure


def tabulate_points(points: pd.DataFrame) -> pd.DataFrame:
    """The numbers behind the figure."""
    ratio, percent = "{:z.3f}".format, "{:z.1%}".format
    memorised = points.memorised.map(ratio).where(points.memorised.notna(), "")
    interval = points.extracted_low.map(ratio) + " to " + points.extracted_high.map(ratio)
    within = points.accuracy_low.map(percent) + " to " + points.accuracy_high.map(percent)
    return pd.DataFrame(
        {
            "dataset": points.dataset,
            "model": points.architecture,
            "recipe": points.recipe,
            "extraction": points.variant,
            "attribute": points.attribute,
            "memorised, bits per parameter": memorised,
            "extractable": points.extracted.map(ratio),
            "95 % interval of the mean": interval.where(points.extracted_low.notna(), ""),
            "at most": points.most.map(ratio),
            "right answers": points.accuracy.map(percent),
            "95 % interval of their mean": within,
            "chance": points.chance.map("{:z.2%}".format),
            "commonest answer": points.commonest.map(percent),
            "seeds": points.seeds,
            "people asked": points.people_asked,
        }
    )


def _chance_by_attribute(spec: str) -> dict[str, float]:
    """How often a guesser who knows the pools is right, by attribute."""
    dataset = parse_dataset(json.loads(spec))
    if isinstance(dataset, Biography):
        return {name: 1 / number for name, number in dataset.choices.items()}
    assert isinstance(dataset, BioD)
    return {f"ID {k + 1}": float(dataset.diversity) ** -dataset.chunks for k in range(dataset.attributes)}


def _model_names(points: pd.DataFrame) -> pd.Series:
    """A name for each model: its dataset, its design and its size."""
    number = points.groupby([*MODEL, "variant"], sort=False, dropna=False).ngroup()
    found = points[points.attribute == ALL]
    people = found.n_people.map(style.format_with_suffix)
    names = found.kind + " of " + people + ": " + found.design + " " + capacity_plot.model_labels(found)
    return number.map(dict(zip(number[found.index], names, strict=True)))


def _draw_bits(ax: Axes, points: pd.DataFrame, colours: style.Colours) -> None:
    """A dot for each model, and the line on which all that is memorised can be extracted."""
    top = 1.15 * max(points.memorised.max(), points.extracted_high.max())
    ax.plot([0, top], [0, top], "--", color="0.7", lw=0.7, zorder=0)
    ax.axhline(0, color="0.7", lw=0.7, zorder=0)
    for row in points.itertuples():
        colour = colours[row.model]
        bar = [[row.extracted - row.extracted_low], [row.extracted_high - row.extracted]]
        ax.errorbar(
            row.memorised,
            row.extracted,
            yerr=bar,
            fmt="o",
            ms=5,
            color=colour,
            capsize=2,
            lw=1,
            label=row.model,
        )
        ax.plot([row.memorised] * row.seeds, row.of_seeds, ".", color=colour, ms=3, zorder=3)
    ax.set_xlim(0, top)
    ax.set_ylim(min(0, 1.1 * points.extracted_low.min()) - 0.05 * top, top)
    ax.set_xlabel("memorised bits per parameter")
    ax.set_ylabel("extractable bits per parameter")


def _draw_accuracy(ax: Axes, points: pd.DataFrame, colours: style.Colours) -> None:
    """For each attribute a dot for each model, below each other; the attributes of bioD share one."""
    of_biod = points.attribute.str.startswith("ID ")
    points = points.assign(attribute=points.attribute.where(~of_biod, "IDs"))
    names, models = list(dict.fromkeys(points.attribute)), list(colours)
    step = 0.75 / len(models)
    for (name, model), group in points.groupby(["attribute", "model"]):
        at = names.index(name) + (models.index(model) - (len(models) - 1) / 2) * step
        ax.plot([group.chance.mean()] * 2, [at - step / 2, at + step / 2], "-", color="0.55", lw=2, zorder=0)
        mean, low, high = group.accuracy.mean(), group.accuracy_low.mean(), group.accuracy_high.mean()
        bar = np.clip([[mean - low], [high - mean]], 0, None)
        ax.errorbar(mean, at, xerr=bar, fmt="o", ms=4, color=colours[model], capsize=2, lw=1)
        seeds = np.mean(list(group.right_of_seeds), axis=0)
        ax.plot(seeds, [at + step / 2] * len(seeds), ".", color=colours[model], ms=3)
    ax.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlim(-0.02, 1.04)
    ax.set_xlabel("share of right answers")


def extracted_share(rows: pd.DataFrame) -> Reading:
    """Bits that can be asked for over bits memorised, both of values, of the model of bioS that was asked most."""
    asked = claims.select_rows(rows[rows.accuracy_by_attribute.notna()], kind="bioS")
    best = max(
        (group for _, group in asked.groupby(claims.MODEL)), key=lambda group: group.bits_learned.mean()
    )
    trained = rows[(rows.variant == FULL_PRECISION) & rows.run.isin(best.run)].set_index("run").bits_value
    shares = [row.bits_learned / trained[row.run] for row in best.itertuples() if trained.get(row.run, 0) > 0]
    errors = [
        float(standard_error(row.bits_learned_low, row.bits_learned_high)) / trained[row.run]
        for row in best.itertuples()
        if trained.get(row.run, 0) > 0
    ]
    if not shares:
        raise NotMeasured("bits memorised by a model that was asked")
    return replace(claims.model_reading(best), value=interval_over_seeds(shares, errors), more=False)


CLAIMS = [
    Claim(
        "What is memorised of bioS can be asked for",
        "a LoRA fine-tune on questions about half of the people extracts about the memorised amount about the others",
        "extractable over memorised bits of values, of the model that answers best",
        0.8 / TOLERANCE,
        TOLERANCE,
        extracted_share,
        Comparison("answers to questions", "the model has memorised", "show", "bits of values"),
    )
]


def describe_figure(points: pd.DataFrame) -> str:
    """What the figure shows, in numbers."""
    lines = [
        f"{row.architecture} on {row.dataset}: {row.extracted:z.2f} of {row.memorised:z.2f} bits per parameter in "
        f"values can be asked for; {row.accuracy:z.0%} of answers are right, where chance is {row.chance:z.1%}."
        for row in points[points.attribute == ALL].itertuples()
    ]
    return " ".join(
        ["What is memorised and what can be asked for, of people whom teaching left out.", *lines]
    )
