"""How much calibration data GPTQ needs: R against the number of people whose biographies it sees.

Not to be confused with the calibration of the measuring instrument (`capacity.calibration`).
"""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from ..figures import capacity_plot, style
from ..measurements.columns import add_columns
from ..specs import FULL_PRECISION
from ._precisions import quantized_points, split_best_models, tabulate_points

__all__ = ["describe_figure", "draw_figure", "select_points", "tabulate_points"]

GRID = ["bits", "group_size", "zero_point", "matrices"]
KEY = f"{capacity_plot.SPAN}.  dotted: round to nearest.  dashed: as trained"


def select_points(rows: pd.DataFrame) -> pd.DataFrame:
    """Without junk: gptq on grids with several amounts of data, rtn on the same, and weights as trained."""
    found = quantized_points(rows[(rows.junk_share == 0) & add_columns(rows).qat.isna()])
    found = found[found.calibration == "people"]
    gptq = found[found.method == "gptq"]
    sizes = gptq.groupby(GRID).calibration_people.nunique()
    varied = found[GRID].apply(tuple, axis=1).isin(set(sizes[sizes > 1].index))
    wanted = (found.method == FULL_PRECISION) | (found.method.isin(["gptq", "rtn"]) & varied)
    return found[wanted & bool(varied.any())].reset_index(drop=True)


def draw_figure(points: pd.DataFrame) -> Figure:
    """A panel for each model, with a line for each grid."""
    style.apply_style()
    models = list(split_best_models(points))
    size = (style.COLUMN * len(models) + 1.2, style.COLUMN)
    figure, axes = plt.subplots(1, len(models), figsize=size, squeeze=False, sharex=True)
    colours = style.assign_colors(sorted(points.bits.dropna().astype(int).unique(), reverse=True))
    for ax, (title, group) in zip(axes[0], models, strict=True):
        _draw_panel(ax, group, colours)
        ax.set_title(title)
        ax.set_xlabel("people in GPTQ's calibration data")
    axes[0, 0].set_ylabel("bits of knowledge per parameter")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside right upper", frameon=False)
    figure.supxlabel(KEY, fontsize=6, color="0.45")
    return figure


def describe_figure(points: pd.DataFrame) -> str:
    """What the figure shows, in numbers."""
    gptq = points[points.method == "gptq"]
    people = gptq[["calibration_people", "n_people"]].min(axis=1)
    what = (
        f"Bits of knowledge by GPTQ's calibration data, of {people.min():z.0f} to {people.max():z.0f} people"
    )
    return capacity_plot.describe_figure(gptq, what)


def _draw_panel(ax: Axes, group: pd.DataFrame, colours: style.Colours) -> None:
    for (bits, size, zero_point, matrices), line in group[group.method == "gptq"].groupby(GRID):
        line = line.assign(people=line[["calibration_people", "n_people"]].min(axis=1)).sort_values("people")
        line = line.drop_duplicates("people")  # all people, asked for in other words
        ax.errorbar(
            line.people,
            line.ratio,
            yerr=[line.ratio - line.span_low, line.span_high - line.ratio],
            fmt="^" if matrices == "all" else "s" if zero_point else "o",
            ls="--" if size else "-",
            mfc="white" if size else colours[int(bits)],
            color=colours[int(bits)],
            ms=4,
            lw=0.9,
            capsize=1.5,
            elinewidth=0.6,
            label=f"{bits:z.0f} bits{f', groups of {size:z.0f}' if size else ''}"
            f"{', zero point' if zero_point else ''}{', all matrices' if matrices == 'all' else ''}",
        )
    plain = group[(group.method == "rtn") & (group.group_size == 0) & (group.matrices == "layers")]
    for _, row in plain[~plain.zero_point.astype(bool)].iterrows():
        ax.axhline(row.ratio, color=colours[int(row.bits)], lw=0.8, ls=":", zorder=0)
    for _, row in group[group.method == FULL_PRECISION].iterrows():
        ax.axhline(row.ratio, color="0.5", lw=0.8, ls="--", zorder=0)
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(FuncFormatter(style.format_with_suffix))
    ax.xaxis.set_minor_formatter(NullFormatter())
