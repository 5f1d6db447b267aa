"""A figure with one capacity panel for each value of a column: what most experiments draw."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from ..specs import FULL_PRECISION
from . import plots, style

KEY = "labels: layers-heads, d: width.  bars: the 95 % intervals of all seeds.  hollow: data-limited"


def as_trained(rows: pd.DataFrame, kind: str) -> pd.DataFrame:
    """The points of all runs of GPT-2 on datasets of a kind without junk, at full precision."""
    rows = plots.of_gpt2(rows)
    return plots.over_seeds(rows[(rows.kind == kind) & (rows.variant == FULL_PRECISION)])


def by_exposures(points: pd.DataFrame, title: str) -> Figure:
    """One panel per number of exposures, most first; title has a {} for the number."""
    return panels(points, "exposures", title, sorted(points.exposures.unique(), reverse=True))


def panels(points: pd.DataFrame, column: str, title: str, values: list[int] | list[str]) -> Figure:
    """Panels side by side, one for each of `values` in `column`; title has a {} for the value."""
    style.use()
    colours = style.colours(sorted(points.n_people.unique()))
    figure, axes = plt.subplots(
        1,
        len(values),
        figsize=(style.COLUMN * len(values), style.COLUMN),
        squeeze=False,
        sharex=True,
        sharey=True,
    )
    if not (points.bits_learned > 0).any():
        axes[0][0].text(0.5, 0.5, "no model is above zero bits", ha="center", transform=axes[0][0].transAxes)
        return figure
    for ax, value in zip(axes[0], values, strict=True):
        plots.capacity(ax, points[points[column] == value], points, colours)
        ax.set_title(title.format(value))
    axes[0][0].set_ylabel("learned knowledge (bits)")
    figure.supxlabel(KEY, fontsize=6, color="0.45")
    return figure
