"""A figure with one capacity panel for each value of a column: what most experiments draw."""

import math
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from ..specs import FULL_PRECISION
from . import capacity_plot, style

MOST = 4  # panels side by side

Crosses = Mapping[int | str, Sequence[tuple[float, float]]]  # by a panel's value, parameters and bits


def full_precision_points(rows: pd.DataFrame) -> pd.DataFrame:
    """The points of all runs at full precision."""
    return capacity_plot.summarize_seeds(rows[rows.variant == FULL_PRECISION])


def gpt2_points(rows: pd.DataFrame, kind: str) -> pd.DataFrame:
    """The points of all runs of GPT-2 on datasets of a kind without junk, at full precision."""
    rows = capacity_plot.select_gpt2(rows)
    return capacity_plot.summarize_seeds(rows[(rows.kind == kind) & (rows.variant == FULL_PRECISION)])


def draw_by_exposures(
    points: pd.DataFrame, title: str, crosses: Crosses | None = None, crosses_are: str = ""
) -> Figure:
    """One panel per number of exposures, most first; title has a {} for the number."""
    values = sorted(points.exposures.unique(), reverse=True)
    return draw_panels(points, "exposures", title, values, crosses, crosses_are)


def draw_by_panel(points: pd.DataFrame) -> Figure:
    """A panel for each text in the column `panel`, in the order of the points."""
    return draw_panels(points, "panel", "{}", list(points.panel.unique()))


def draw_panels(
    points: pd.DataFrame,
    column: str,
    title: str,
    values: Sequence[int | str],
    crosses: Crosses | None = None,
    crosses_are: str = "",
) -> Figure:
    """Panels beside each other, one for each of `values` in `column`; title has a {} for the value.

    crosses: models that others trained, and crosses_are: what the figure says that they are.
    """
    style.apply_style()
    points = points.assign(people=capacity_plot.people_labels(points))
    colours = style.assign_colors(points.sort_values(["n_people", "people"]).people)
    across = len(values) if len(values) <= MOST else math.ceil(len(values) / math.ceil(len(values) / MOST))
    down = math.ceil(len(values) / across)
    figure, grid = plt.subplots(
        down,
        across,
        figsize=(style.COLUMN * across, style.COLUMN * down),
        squeeze=False,
        sharex=True,
        sharey=True,
    )
    axes = list(grid.flat)
    for ax in axes[len(values) :]:
        ax.set_visible(False)
    if not (points.bits_learned > 0).any():
        axes[0].text(0.5, 0.5, "no model is above zero bits", ha="center", transform=axes[0].transAxes)
        return figure
    for i, (ax, value) in enumerate(zip(axes, values, strict=False)):
        capacity_plot.draw_capacity(
            ax, points[points[column] == value], points, colours, (crosses or {}).get(value, ())
        )
        ax.set_title(title.format(value))
        ax.set_xlabel("parameters" if i + across >= len(values) else "")
        ax.xaxis.set_tick_params(labelbottom=i + across >= len(values))
    for row in grid:
        row[0].set_ylabel("learned knowledge (bits)")
    style.write_key(
        figure,
        ["labels: layers-heads, d: width", capacity_plot.SPAN],
        ["lines: the best of each size", capacity_plot.hollow_key(points), "dotted: all there is to know"],
        [f"crosses: {crosses_are}" if crosses else ""],
        narrow=across == 1,
    )
    return figure
