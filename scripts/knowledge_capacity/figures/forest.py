"""Estimates below each other, each with its interval and its parts: panels with a line for each."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from . import style

PANEL = ["kind", "n_people", "exposures"]


def open_panels(
    points: pd.DataFrame, width: float, line: float, rest: float
) -> tuple[Figure, list[tuple[Axes, pd.DataFrame]]]:
    """A figure with a panel for each kind and number of people and of exposures, and the points of each.

    In inches: its width, the height of a line, and what is left beside lines.
    """
    style.apply_style()
    panels = list(points.groupby(PANEL, sort=False))
    heights = [len(group) + 1 for _, group in panels]
    figure, axes = plt.subplots(
        len(panels),
        1,
        figsize=(width, rest + line * sum(heights)),
        squeeze=False,
        sharex=True,
        height_ratios=heights,
    )
    for ax, ((kind, n_people, exposures), _) in zip(axes[:, 0], panels, strict=True):
        ax.set_title(f"{kind}, {style.format_with_suffix(n_people)} people, {exposures} exposures")
    return figure, [(ax, group) for ax, (_, group) in zip(axes[:, 0], panels, strict=True)]


def draw_estimate(
    ax: Axes, y: int, row: pd.Series, colour: str | style.Colour, said: str, hollow: bool = False
) -> None:
    """A row's `ratio` with its interval (low, high), its `ratios` as small dots below, and words at the right edge."""
    ax.plot(row.ratios, [y + 0.25] * len(row.ratios), ".", color=colour, ms=3)
    ax.errorbar(
        row.ratio,
        y,
        xerr=[[row.ratio - row.low], [row.high - row.ratio]],
        fmt="o",
        ms=5,
        mfc="white" if hollow else colour,
        color=colour,
        capsize=2,
        lw=1,
    )
    ax.text(1.02, y, said, transform=ax.get_yaxis_transform(), va="center", fontsize=7)


def name_lines(ax: Axes, names: Sequence[str]) -> None:
    """What stands beside the lines, the first one on top."""
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
