"""How every figure looks: colours, sizes, axes with numbers people read."""

import math
from collections.abc import Iterable

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

COLUMN = 3.4  # inches: the width of a journal's column
Colours = dict[int | str, tuple[float, float, float]]
GUIDES = (2.0, 1.0, 0.5, 0.25)  # bits per parameter
STARTS = (0.0, 0.2, 0.4, 0.6)  # where a guide's label may stand, in widths of the panel


def use() -> None:
    """Set the style; the output does not depend on when or where it is drawn."""
    sns.set_theme(context="paper", style="ticks", palette="colorblind")
    plt.rcParams.update(
        {
            "font.size": 8,
            "axes.labelsize": 8,
            "axes.titlesize": 9,
            "legend.fontsize": 7,
            "xtick.labelsize": 7,
            "ytick.labelsize": 7,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "figure.constrained_layout.use": True,
            "savefig.dpi": 200,
            "svg.hashsalt": "knowledge-capacity",
            "svg.fonttype": "none",
            "pdf.fonttype": 42,
        }
    )


def colours(keys: Iterable[int | str]) -> Colours:
    """One colour for each key, the same in every figure for the same keys."""
    return dict(zip(dict.fromkeys(keys), sns.color_palette("colorblind", 10), strict=False))


def rounded(value: float, _: int = 0) -> str:
    """12000 → 12K."""
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "K")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def figures(value: float) -> str:
    """0.123, 1.23, 12.3, 1.23K: three figures, for tables."""
    if not math.isfinite(value):
        return "∞" if value > 0 else "-∞"
    return short(value) if abs(value) >= 1000 else f"{value:.3g}"


def short(value: float) -> str:
    """14160 → 14.2K: three figures at most."""
    return rounded(float(f"{value:.3g}"))


def log_axes(ax: Axes) -> None:
    """Both axes logarithmic, ticks at 1, 2 and 5 in each decade."""
    ax.set_xscale("log")
    ax.set_yscale("log")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(rounded))
        axis.set_minor_formatter(NullFormatter())


def log_parameters(ax: Axes) -> None:
    """Parameters along x, logarithmic, with ticks a person would choose within a decade or two."""
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 1.5, 2.0, 3.0, 5.0, 7.0)))
    ax.xaxis.set_major_formatter(FuncFormatter(rounded))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel("parameters")


def guides(ax: Axes, ratios: Iterable[float] = GUIDES, dots: Iterable[tuple[float, float]] = ()) -> None:
    """Dashed lines of equal bits per parameter, each labelled where it enters the panel, or further on beside dots."""
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    across, up = math.log(right / left), math.log(top / bottom)
    taken = [(math.log(x / left) / across, math.log(y / bottom) / up) for x, y in dots]
    for ratio in ratios:
        ax.plot([left, right], [ratio * left, ratio * right], "--", color="0.7", lw=0.7, zorder=0)
        starts = [(at, math.log(ratio * left * math.exp(at * across) / bottom) / up) for at in STARTS]
        inside = [(x, y) for x, y in starts if 0.02 < y < 0.95]
        free = [
            (x, y)
            for x, y in inside
            if not any(-0.15 < dot - x < 0.26 and -0.06 < height - y < 0.09 for dot, height in taken)
        ]
        for place in (free or inside)[:1]:
            ax.annotate(
                f"{ratio:g} bit/param",
                place,
                xycoords="axes fraction",
                xytext=(3, 0),
                textcoords="offset points",
                va="center",
                fontsize=6,
                color="0.45",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
                zorder=0.5,
            )
    ax.set_xlim(left, right)
    ax.set_ylim(bottom, top)
