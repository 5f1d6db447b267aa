"""The common form of a capacity figure: learned bits against parameters, one dot per trained model."""

import math
import re
from collections.abc import Iterable

import pandas as pd
from matplotlib.axes import Axes

from ..measurements.columns import add_columns, per_stored_byte
from . import labels, style

SPEC = [
    "dataset",
    "kind",
    "n_people",
    "architecture",
    "family",
    "design",
    "layers",
    "heads",
    "width",
    "recipe",
    "exposures",
    "optimizer",
    "variant",
]


HOLLOW = "hollow: data-limited"
SPAN = "bars: span of the seeds' 95 % intervals over people"  # of over_seeds: span_low to span_high, in R
CROSS: style.Colour = (0.25, 0.25, 0.25)
CLOSE = 0.1  # of the panel: dots of one model on several datasets share a label where they are closer
ALIKE = 1.15  # models whose sizes differ by less count as equally large


def select_gpt2(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of GPT-2 as it is in the paper, trained by AdamW, without junk and at full precision."""
    return rows[add_columns(rows).is_plain_gpt2]


def summarize_seeds(rows: pd.DataFrame) -> pd.DataFrame:
    """One row for all seeds of a spec: means, and the lowest and highest end of the seeds' 95 % intervals.

    The number of used tokens, and with it P, can differ a little between seeds; P and the ratios are means.
    per_stored_byte: bits learned for each byte that the P parameters are stored in.
    """
    return (
        add_columns(rows)
        .groupby(SPEC, sort=True, dropna=False)  # models from elsewhere have no layers, heads, width
        .agg(
            seeds=("seed", "nunique"),
            n_parameters=("n_parameters", "mean"),
            bits_per_weight=("bits_per_weight", "mean"),
            bits_learned=("bits_learned", "mean"),
            bits_low=("bits_learned_low", "min"),
            bits_high=("bits_learned_high", "max"),
            bits_max=("bits_max", "mean"),
            ratio=("capacity_ratio", "mean"),
            ratio_lowest=("capacity_ratio", "min"),
            ratio_highest=("capacity_ratio", "max"),
            ratio_max=("capacity_ratio_max", "mean"),
            data_limited=("data_limited", "sum"),
        )
        .reset_index()
        .assign(
            span_low=lambda found: found.bits_low / found.n_parameters,
            span_high=lambda found: found.bits_high / found.n_parameters,
            per_stored_byte=lambda found: per_stored_byte(found.ratio, found.bits_per_weight),
        )
        .sort_values(["kind", "exposures", "variant", "n_people", "n_parameters"], ignore_index=True)
    )


def size_label(row: pd.Series) -> str:
    """ℓ-h, and the width where heads have other than 64 dimensions; of a model from elsewhere, the name."""
    if pd.isna(row.layers):
        return str(row.family)
    name = f"{row.layers:z.0f}-{row.heads:z.0f}"
    return name if row.width == 64 * row.heads else f"{name} d{row.width:z.0f}"


def hollow_key(points: pd.DataFrame) -> str:
    """What the figure of these points says of hollow dots: nothing where there is none. points: as for `draw_dot`."""
    return HOLLOW if bool((points.data_limited == points.seeds).any()) else ""


def draw_dot(
    ax: Axes,
    row: pd.Series,
    x: float,
    y: float,
    low: float,
    high: float,
    colour: style.Colour,
    label: str | None = None,
) -> None:
    """A model with its interval, hollow where all of its seeds are data-limited. row: of `summarize_seeds`."""
    face = "white" if row.data_limited == row.seeds else colour
    bar = [[y - low], [high - y]]
    ax.errorbar(x, y, yerr=bar, fmt="o", ms=4, mfc=face, color=colour, capsize=2, lw=0.8, label=label)


def draw_capacity(
    ax: Axes,
    points: pd.DataFrame,
    limits: pd.DataFrame,
    colours: style.Colours,
    crosses: Iterable[tuple[float, float]] = (),
) -> None:
    """Draw points of `summarize_seeds`: hollow where data-limited, bars over all seeds' intervals, a line a dataset.

    The line joins the best model of each size: others of that size, such as by another recipe, are dots beside it.
    limits: the points that set the axes' ranges, so that panels beside each other agree. colours: by the points' column
    `people_labels`, as the function has it. crosses: parameters and bits of models that others trained; they set no
    ranges, and those beyond are left out.
    """
    shown = limits[limits.bits_learned > 0]
    ax.set_xlim(shown.n_parameters.min() / 2.5, shown.n_parameters.max() * 1.5)
    ax.set_ylim(shown.bits_learned.min() / 1.6, max(shown.bits_learned.max(), shown.bits_max.max()) * 1.8)
    style.set_log_axes(ax)
    points = points.assign(
        label=model_labels(points), low=points.bits_low.clip(lower=points.bits_learned / 100)
    )
    drawn, below = points[points.bits_learned > 0], points[points.bits_learned <= 0]
    spots = [labels.dot_box(ax, row.n_parameters, row.low, row.bits_high) for row in drawn.itertuples()]
    within = [(x, y) for x, y in crosses if x < ax.get_xlim()[1] and y < ax.get_ylim()[1]]
    spots += [labels.dot_box(ax, x, y, y) for x, y in within]
    taken = [*spots]
    for x, y in within:  # over a dot that lies there
        ax.plot(x, y, "x", ms=3.5, mew=0.7, color=CROSS, zorder=3)
    for people, group in drawn.groupby("people"):
        line = select_best_by_size(group)
        ax.plot(line.n_parameters, line.bits_learned, "-", color=colours[people], lw=0.8, alpha=0.5)
        for _, row in group.iterrows():
            draw_dot(ax, row, row.n_parameters, row.bits_learned, row.low, row.bits_high, colours[people])
    _draw_dataset_limits(ax, points, colours, taken)
    for people, group in below.groupby("people"):
        said = f"below zero: {', '.join(group.label)}"
        width, height = labels.text_extent(ax, said, 6)
        corners = [
            (x, 0.01 + row * height) for row in range(4) for x in (0.99 - width, 0.01, 0.5 - width / 2)
        ]
        labels.place_text(ax, said, corners, taken, 6, colours[people], dot=1)
    for row in select_labelled(ax, drawn).itertuples():
        labels.label_dot(ax, row.label, row.n_parameters, row.bits_learned, taken)
    labels.draw_guides(ax, [*taken, *4 * spots])  # rather over a label's edge than over a dot
    ax.set_xlabel("parameters")


def _draw_dataset_limits(
    ax: Axes, points: pd.DataFrame, colours: style.Colours, taken: list[labels.Box]
) -> None:
    """A line for all there is to know of each dataset."""
    for people, most in points.groupby("people").bits_max.first().items():
        said = f"all of {people}"
        ax.axhline(most, color=colours[people], lw=0.7, ls=":", zorder=0)
        _, up = labels.panel_position(ax, ax.get_xlim()[0], most)
        if not 0 < up < 1:
            continue  # a label beyond the panel would take the panel's room
        width, height = labels.text_extent(ax, said, 6)
        taken.append((0, up, 1, up + 0.0005))
        corners = [(x, y) for x in (0.01, 0.99 - width, 0.3, 0.5) for y in (up + 0.003, up - height)]
        labels.place_text(ax, said, corners, taken, 6, colours[people])


def select_labelled(ax: Axes, points: pd.DataFrame) -> pd.DataFrame:
    """The dots to label, lowest first: of dots close above each other whose labels are alike, the highest."""
    kept: list[int] = []
    spots = {
        i: labels.panel_position(ax, *points.loc[i, ["n_parameters", "bits_learned"]]) for i in points.index
    }
    for i in points.sort_values("bits_learned", ascending=False).index:
        alike = [spots[other] for other in kept if points.label[other] == points.label[i]]
        if not any(math.dist(spots[i], spot) < CLOSE for spot in alike):
            kept.append(i)
    return points.loc[reversed(kept)]


def people_labels(points: pd.DataFrame) -> pd.Series:
    """How many people each dataset has, in words; where others of its kind have as many, what else it has."""
    said = "N = " + points.n_people.map(style.format_with_suffix)
    for _, alike in points.dataset.groupby([points.kind, points.n_people]):
        if len(set(alike)) > 1:
            said[alike.index] += ", " + differing_parts(alike)
    return said


def select_best_by_size(points: pd.DataFrame) -> pd.DataFrame:
    """Of models that are about equally large the one that holds most bits; smallest first."""
    kept: list[int] = []
    for i, size in points.sort_values("bits_learned", ascending=False).n_parameters.items():
        others = points.n_parameters[kept]
        if not (others.between(size / ALIKE, size * ALIKE, inclusive="neither")).any():
            kept.append(i)
    return points.loc[kept].sort_values("n_parameters")


def model_labels(points: pd.DataFrame) -> pd.Series:
    """A label for each model: its size, and where others of its dataset, size and exposures have it too, the rest."""
    found = pd.Series([size_label(row) for _, row in points.iterrows()], points.index, dtype=object)
    rest = points.recipe + "-" + points.variant
    for _, alike in rest.groupby([points.dataset, points.exposures, found]):
        if len(alike) > 1:
            found[alike.index] += " (" + differing_parts(alike) + ")"
    return found.str.removesuffix(" ()")


def differing_parts(names: pd.Series) -> pd.Series:
    """The parts of each name that not all have: of exposures100-batch4 and exposures100-batch12, the batches."""
    parts = names.map(lambda name: re.split(r"-(?=[A-Za-z])", name))
    common = set.intersection(*map(set, parts))
    return parts.map(
        lambda own: " ".join(re.sub(r"^([a-z]+)(?=\d)", r"\1 ", part) for part in own if part not in common)
    )


def describe_figure(points: pd.DataFrame, what: str = "Learned bits against parameters") -> str:
    """What a figure of `summarize_seeds` shows, in numbers."""
    models, seeds = len(points), sorted({int(n) for n in points.seeds})
    sizes = points.n_parameters
    people = ", ".join(
        f"{kind} of {' and '.join(map(style.format_with_suffix, sorted(group.n_people.unique())))}"
        for kind, group in points.groupby("kind")
    )
    best = points.loc[points.ratio.idxmax()]
    said = (
        f"{what}: {models} {'row' if models == 1 else 'rows'} below, of models of "
        f"{sizes.min():z,.0f} to {sizes.max():z,.0f} parameters on {people}, "
        f"{' to '.join(map(str, dict.fromkeys([seeds[0], seeds[-1]])))} {'seed' if seeds == [1] else 'seeds'} each. "
        f"Most bits per parameter: {best.ratio:z.2f} ({best.architecture}, {best.kind}, {best.exposures} exposures, "
        f"{best.variant}; {best.ratio_lowest:z.2f} to {best.ratio_highest:z.2f} by seed), of {best.ratio_max:z.2f}."
    )
    limited = int((points.data_limited == points.seeds).sum())
    return said + (f" Data-limited: {limited} of {models}." if limited else "")


def tabulate_points(points: pd.DataFrame) -> pd.DataFrame:
    """The numbers behind a figure, in words for a table."""
    whole, ratio = "{:z,.0f}".format, "{:z.2f}".format
    return pd.DataFrame(
        {
            "dataset": points.dataset,
            "model": points.architecture,
            "recipe": points.recipe,
            "precision": points.variant,
            "bits stored per weight": points.bits_per_weight.map("{:z.1f}".format),
            "parameters": points.n_parameters.map(whole),
            "bits learned": points.bits_learned.map(whole),
            "span of the seeds' 95 % intervals": points.bits_low.map(whole)
            + " to "
            + points.bits_high.map(whole),
            "R_max": points.ratio_max.map(ratio),
            "R": points.ratio.map(ratio),
            "R of seeds": points.ratio_lowest.map(ratio) + " to " + points.ratio_highest.map(ratio),
            "bits learned per stored byte": points.per_stored_byte.map(ratio),
            "data-limited seeds": [
                f"{k} of {n}" for k, n in zip(points.data_limited, points.seeds, strict=True)
            ],
        }
    )
