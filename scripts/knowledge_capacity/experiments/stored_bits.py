"""How much knowledge weights keep in how few bits: R against stored bits a weight, for each method."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..figures import capacity_plot, style
from ..measurements.columns import BYTE, add_columns
from ..specs import FULL_PRECISION, METHODS
from ._precisions import MODEL, describe_figure, quantized_points, split_best_models, tabulate_points

__all__ = ["describe_figure", "draw_figure", "select_points", "tabulate_points"]

LINE = ["method", "group_size", "zero_point", "matrices"]
KEY = (
    f"{capacity_plot.SPAN}.  dashed: the weights as trained.  stored bits: of the\n"
    "whole model.  what leaves a panel below is lost; the table has it"
)


def select_points(rows: pd.DataFrame) -> pd.DataFrame:
    """All models without junk at every precision; of gptq, those with the most calibration data."""
    found = quantized_points(rows[(rows.junk_share == 0) & add_columns(rows).qat.isna()])
    found = found[found.calibration == "people"]
    of_gptq = found.calibration_people.where(found.method == "gptq")
    most = of_gptq.groupby([found[name] for name in MODEL]).transform("max")
    return found[of_gptq.isna() | (of_gptq == most)].reset_index(drop=True)


def draw_figure(points: pd.DataFrame) -> Figure:
    """For each model, bits per parameter above, and below it bits of knowledge for each stored byte."""
    style.apply_style()
    models = list(split_best_models(points))
    figure, axes = plt.subplots(
        2,
        len(models),
        figsize=(style.COLUMN * len(models) + 1.4, 1.7 * style.COLUMN),
        squeeze=False,
        sharex=True,
    )
    for column, (title, group) in enumerate(models):
        _draw_panel(axes[0, column], group, "ratio")
        _draw_panel(axes[1, column], group, "per_stored_byte")
        axes[0, column].set_title(title)
        axes[1, column].set_xlabel("stored bits per weight")
    axes[0, 0].set_ylabel("bits of knowledge per parameter")
    axes[1, 0].set_ylabel("bits of knowledge per stored byte")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", frameon=False)
    figure.supxlabel(KEY, fontsize=6, color="0.45")
    return figure


def _draw_panel(ax: Axes, group: pd.DataFrame, column: str) -> None:
    """A line for each method and each of its grids."""
    colours = style.assign_colors(METHODS)
    unit = 1 if column == "ratio" else group.bits_per_weight / BYTE
    down, up = (group.ratio - group.span_low) / unit, (group.span_high - group.ratio) / unit
    group = group.assign(y=group.ratio / unit, down=down, up=up)
    for (method, size, zero_point, matrices), line in group[group.method != FULL_PRECISION].groupby(LINE):
        line = line.sort_values("bits_per_weight")
        ax.errorbar(
            line.bits_per_weight,
            line.y,
            yerr=[line.down, line.up],
            fmt="^" if matrices == "all" else "s" if zero_point else "o",
            ls="--" if size else ":" if matrices == "all" else "-",
            mfc="white" if size else colours[method],
            color=colours[method],
            ms=4,
            lw=0.9,
            capsize=1.5,
            elinewidth=0.6,
            label=_line_label(method, size, zero_point, matrices),
        )
    trained = group[group.method == FULL_PRECISION]
    if len(trained):
        ax.axhline(trained.y.iloc[0], color="0.5", lw=0.8, ls="--", zorder=0)
    if group.y.max() > 0:  # what is far below zero is lost, however far
        ax.set_ylim(-0.2 * group.y.max(), 1.3 * group.y.max())


def _line_label(method: str, size: float, zero_point: bool, matrices: str) -> str:
    words = [method, f"groups of {size:z.0f}" if size else "", "zero point" if zero_point else ""]
    return ", ".join(word for word in [*words, "all matrices" if matrices == "all" else ""] if word)
