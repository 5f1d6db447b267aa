"""Models beside each other: bits per parameter, whatever their architecture and optimiser."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..figures import capacity_plot, style
from ..measurements.columns import add_columns
from ..specs import FULL_PRECISION
from ..statistics.compare import capacity_ratio

PANEL = ["kind", "n_people", "exposures"]
KEY = (
    "bars: 95 % intervals of the mean over seeds.  small dots: seeds.  hollow: data-limited.\n"
    "dashed: GPT-2 with AdamW.  right: bits per parameter, and how many there are to be had"
)


def select_points(rows: pd.DataFrame) -> pd.DataFrame:
    """All models at full precision, the best first, with R of each seed and the interval of their mean."""
    rows = add_columns(rows[rows.variant == FULL_PRECISION])
    spread = rows.groupby(capacity_plot.SPEC, dropna=False).apply(_seed_interval).reset_index()
    joined = capacity_plot.summarize_seeds(rows).merge(spread, on=capacity_plot.SPEC)
    return joined.sort_values([*PANEL, "ratio"], ascending=False, ignore_index=True)


def draw_figure(points: pd.DataFrame) -> Figure:
    """A panel for each kind and number of people and of exposures, with a line for each model."""
    style.apply_style()
    panels = list(points.groupby(PANEL, sort=False))
    heights = [len(group) + 1 for _, group in panels]
    figure, axes = plt.subplots(
        len(panels),
        1,
        figsize=(1.5 * style.COLUMN, 0.5 + 0.28 * sum(heights)),
        squeeze=False,
        sharex=True,
        height_ratios=heights,
    )
    colours = style.assign_colors(sorted(points.optimizer.unique()))
    for ax, ((kind, n_people, exposures), group) in zip(axes[:, 0], panels, strict=True):
        _draw_panel(ax, group, colours)
        ax.set_title(f"{kind}, {style.format_with_suffix(n_people)} people, {exposures} exposures")
    ax.set_xlim(min(0, 1.1 * points.low.min()), 1.05 * points.high.max())
    ax.set_xlabel("bits per parameter")
    figure.supxlabel(KEY, fontsize=6, color="0.45")
    return figure


def describe_figure(points: pd.DataFrame) -> str:
    """What the figure shows, in numbers."""
    return capacity_plot.describe_figure(points, "Bits per parameter of models beside each other")


def _seed_interval(rows: pd.DataFrame) -> pd.Series:
    _, low, high = capacity_ratio(rows)
    ratios = list(rows.capacity_ratio)
    return pd.Series({"low": low, "high": high, "ratios": ratios, "qat": rows.qat.iloc[0]})


def _draw_panel(ax: Axes, group: pd.DataFrame, colours: style.Colours) -> None:
    """A line for each model: its name, R with its interval and its seeds, and R of R_max in numbers."""
    plain = group[(group.family == "gpt2") & (group.optimizer == "adamw") & group.qat.isna()]
    if len(plain) == 1:
        ax.axvline(plain.ratio.iloc[0], color="0.7", lw=0.7, ls="--", zorder=0)
    for y, (_, row) in enumerate(group.iterrows()):
        colour = colours[row.optimizer]
        ax.plot(row.ratios, [y + 0.25] * len(row.ratios), ".", color=colour, ms=3)
        ax.errorbar(
            row.ratio,
            y,
            xerr=[[row.ratio - row.low], [row.high - row.ratio]],
            fmt="o",
            ms=5,
            mfc="white" if row.data_limited == row.seeds else colour,
            color=colour,
            capsize=2,
            lw=1,
        )
        said = f"{row.ratio:z.2f} of {row.ratio_max:z.2f}"
        ax.text(1.02, y, said, transform=ax.get_yaxis_transform(), va="center", fontsize=7)
    labels = [_model_label(row, len(colours) > 1) for _, row in group.iterrows()]
    labels = [
        f"{said}, qat {at}" if pd.notna(at) else said for said, at in zip(labels, group.qat, strict=True)
    ]
    ax.set_yticks(range(len(group)), labels)
    ax.set_ylim(len(group) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)


def _model_label(row: pd.Series, optimizer: bool) -> str:
    name = row.family if pd.isna(row.layers) else f"{row.family} {capacity_plot.size_label(row)}"
    return f"{name}{f', {row.optimizer}' if optimizer else ''}, {row.n_parameters:z,.0f} parameters"
