"""Models beside each other: bits per parameter, whatever their architecture and optimiser."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..figures import capacity_plot, forest, style
from ..measurements.columns import add_columns
from ..specs import FULL_PRECISION
from ..statistics.compare import capacity_ratio

KEY = (
    "bars: 95 % intervals of the mean over seeds.  small dots: seeds.  hollow: data-limited.\n"
    "dashed, if shown: GPT-2 with AdamW.  right: bits per parameter, and the most that there are"
)


def select_points(rows: pd.DataFrame) -> pd.DataFrame:
    """All models at full precision, the best first, with R of each seed and the interval of their mean."""
    rows = add_columns(rows[rows.variant == FULL_PRECISION])
    spread = rows.groupby(capacity_plot.SPEC, dropna=False).apply(_seed_interval).reset_index()
    joined = capacity_plot.summarize_seeds(rows).merge(spread, on=capacity_plot.SPEC)
    return joined.sort_values([*forest.PANEL, "ratio"], ascending=False, ignore_index=True)


def draw_figure(points: pd.DataFrame) -> Figure:
    """A panel for each kind and number of people and of exposures, with a line for each model."""
    figure, panels = forest.open_panels(points, 1.5 * style.COLUMN, line=0.28, rest=0.5)
    colours = style.assign_colors(sorted(points.optimizer.unique()))
    for ax, group in panels:
        _draw_panel(ax, group, colours)
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
        said = f"{row.ratio:z.2f} of {row.ratio_max:z.2f}"
        forest.draw_estimate(ax, y, row, colours[row.optimizer], said, row.data_limited == row.seeds)
    labels = [_model_label(row, len(colours) > 1) for _, row in group.iterrows()]
    labels = [
        f"{said}, qat {at}" if pd.notna(at) else said for said, at in zip(labels, group.qat, strict=True)
    ]
    forest.name_lines(ax, labels)


def _model_label(row: pd.Series, optimizer: bool) -> str:
    name = row.family if pd.isna(row.layers) else f"{row.family} {capacity_plot.size_label(row)}"
    return f"{name}{f', {row.optimizer}' if optimizer else ''}, {row.n_parameters:z,.0f} parameters"
