"""The common form of a capacity figure: learned bits against parameters, one dot per trained model."""

import pandas as pd
from matplotlib.axes import Axes

from ..capacity import families
from ..capacity.conditions import qat
from . import style

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


PLAIN_GPT2 = r"gpt2-\d+-\d+(-d\d+)?"  # no part replaced


def of_gpt2(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of GPT-2 as it is in the paper, trained by AdamW, without junk and at full precision."""
    plain = rows.architecture.str.fullmatch(PLAIN_GPT2) & rows.layers.notna() & qat(rows.recipe).isna()
    return rows[plain & (rows.optimizer == "adamw") & (rows.junk_share == 0)]


def over_seeds(rows: pd.DataFrame) -> pd.DataFrame:
    """One row for all seeds of a spec: means, and the lowest and highest end of the seeds' 95 % intervals.

    The number of used tokens, and with it P, can differ a little between seeds; P and the ratios are means.
    """
    return (
        families.named(rows)
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
        .sort_values(["kind", "exposures", "variant", "n_people", "n_parameters"], ignore_index=True)
    )


def size_label(row: pd.Series) -> str:
    """ℓ-h, and the width where heads have other than 64 dimensions; of a model from elsewhere, the name."""
    if pd.isna(row.layers):
        return str(row.family)
    name = f"{row.layers:.0f}-{row.heads:.0f}"
    return name if row.width == 64 * row.heads else f"{name} d{row.width:.0f}"


def dot(
    ax: Axes,
    row: pd.Series,
    x: float,
    y: float,
    low: float,
    high: float,
    colour: tuple[float, float, float],
    label: str | None = None,
) -> None:
    """A model with its interval, hollow where all of its seeds are data-limited. row: of `over_seeds`."""
    face = "white" if row.data_limited == row.seeds else colour
    bar = [[y - low], [high - y]]
    ax.errorbar(x, y, yerr=bar, fmt="o", ms=4, mfc=face, color=colour, capsize=2, lw=0.8, label=label)


def capacity(ax: Axes, points: pd.DataFrame, limits: pd.DataFrame, colours: style.Colours) -> None:
    """Draw points of `over_seeds`: hollow where data-limited, bars over all seeds' intervals.

    limits: the points that set the axes' ranges, so that panels beside each other agree.
    """
    shown = limits[limits.bits_learned > 0]
    ax.set_xlim(shown.n_parameters.min() / 2.5, shown.n_parameters.max() * 1.5)
    ax.set_ylim(shown.bits_learned.min() / 1.6, max(shown.bits_learned.max(), shown.bits_max.max()) * 1.5)
    style.log_axes(ax)
    drawn = points[points.bits_learned > 0]
    style.guides(ax, dots=zip(drawn.n_parameters, drawn.bits_learned, strict=True))
    for (n_people, _, _), everyone in points.groupby(["n_people", "dataset", "recipe"]):
        colour, group = colours[n_people], everyone[everyone.bits_learned > 0]
        ax.plot(group.n_parameters, group.bits_learned, "-", color=colour, lw=0.8, alpha=0.5)
        for _, row in group.iterrows():
            low, high = max(row.bits_low, row.bits_learned / 100), row.bits_high
            dot(ax, row, row.n_parameters, row.bits_learned, low, high, colour)
            ax.annotate(
                size_label(row),
                (row.n_parameters, row.bits_learned),
                xytext=(3, -8),
                textcoords="offset points",
                fontsize=5.5,
                color="0.3",
            )
        most = everyone.bits_max.iloc[0]
        ax.axhline(most, color=colour, lw=0.7, ls=":")
        ax.annotate(
            f"all of N = {style.rounded(n_people)}",
            (0.99, most),
            xycoords=("axes fraction", "data"),
            annotation_clip=True,  # outside the panel it would take the panel's room
            xytext=(0, 2),
            textcoords="offset points",
            ha="right",
            fontsize=6,
            color=colour,
        )
    below = points[points.bits_learned <= 0]
    if len(below):
        sizes = ", ".join(size_label(row) for _, row in below.iterrows())
        ax.text(
            0.99, 0.01, f"below zero: {sizes}", transform=ax.transAxes, ha="right", fontsize=6, color="0.3"
        )
    ax.set_xlabel("parameters")


def caption(points: pd.DataFrame, what: str = "Learned bits against parameters") -> str:
    """What a figure of `over_seeds` shows, in numbers."""
    models, seeds = len(points), sorted({int(n) for n in points.seeds})
    sizes = points.n_parameters
    people = ", ".join(
        f"{kind} of {' and '.join(map(style.rounded, sorted(group.n_people.unique())))}"
        for kind, group in points.groupby("kind")
    )
    best = points.loc[points.ratio.idxmax()]
    said = (
        f"{what}: {models} {'dot' if models == 1 else 'dots'}, of models of "
        f"{sizes.min():,.0f} to {sizes.max():,.0f} parameters on {people}, "
        f"{' to '.join(map(str, dict.fromkeys([seeds[0], seeds[-1]])))} {'seed' if seeds == [1] else 'seeds'} each. "
        f"Most bits per parameter: {best.ratio:.2f} ({best.architecture}, {best.kind}, {best.exposures} exposures, "
        f"{best.variant}; {best.ratio_lowest:.2f} to {best.ratio_highest:.2f} by seed), of {best.ratio_max:.2f}."
    )
    limited = int((points.data_limited == points.seeds).sum())
    return said + (f" Data-limited: {limited} of {models}." if limited else "")


def summary(points: pd.DataFrame) -> pd.DataFrame:
    """The numbers behind a figure, in words for a table."""
    whole, ratio = "{:,.0f}".format, "{:.2f}".format
    return pd.DataFrame(
        {
            "dataset": points.dataset,
            "model": points.architecture,
            "recipe": points.recipe,
            "precision": points.variant,
            "bits stored per weight": points.bits_per_weight.map("{:.1f}".format),
            "parameters": points.n_parameters.map(whole),
            "bits learned": points.bits_learned.map(whole),
            "95 % intervals": points.bits_low.map(whole) + " to " + points.bits_high.map(whole),
            "R_max": points.ratio_max.map(ratio),
            "R": points.ratio.map(ratio),
            "R of seeds": points.ratio_lowest.map(ratio) + " to " + points.ratio_highest.map(ratio),
            "data-limited seeds": [
                f"{k} of {n}" for k, n in zip(points.data_limited, points.seeds, strict=True)
            ],
        }
    )
