"""How every figure looks: colours, sizes, axes with numbers people read."""

import math
from collections.abc import Iterable, Sequence
from itertools import cycle

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

COLUMN = 3.4  # inches: the width of a journal's column
Colour = tuple[float, float, float]
Colours = dict[int | str, Colour]
GUIDES = (2.0, 1.0, 0.5, 0.25)  # bits per parameter


def apply_style() -> None:
    """Set the style; the output does not depend on when or where it is drawn."""
    sns.set_theme(context="paper", style="ticks", palette="colorblind")
    plt.rcParams.update(
        {
            "font.size": 8,
            "axes.labelsize": 8,
            "axes.titlesize": 9,
            "axes.titley": 1.0,  # nothing stands between a panel and its title; looking for that takes a while
            "legend.fontsize": 7,
            "legend.title_fontsize": 7,
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


def assign_colors(keys: Iterable[int | str]) -> Colours:
    """One colour for each key, the same in every figure for the same keys."""
    different = list(dict.fromkeys(keys))
    palette = _legible_palette()
    if len(different) > len(palette):
        palette = sns.color_palette("husl", len(different))
    return dict(zip(different, palette, strict=False))


def repeat_colors(keys: Iterable[int | str]) -> Colours:
    """Nine colours that are easily told apart, over and over: for keys of which few neighbours share a panel."""
    return dict(zip(dict.fromkeys(keys), cycle(_legible_palette()), strict=False))


def _legible_palette() -> list[Colour]:
    """seaborn's colours for everyone, without its yellow, in which nobody can read a label."""
    colours = sns.color_palette("colorblind")
    return [*colours[:8], *colours[9:]]


def format_with_suffix(value: float, _: int = 0) -> str:
    """12000 → 12K."""
    for size, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:zg}"


def format_significant(value: float) -> str:
    """0.123, 1.23, 12.3, 1.23K: three figures, for tables."""
    if not math.isfinite(value):
        return "∞" if value > 0 else "-∞"
    return format_short(value) if abs(value) >= 1000 else f"{value:z.3g}"


def format_short(value: float) -> str:
    """14160 → 14.2K: three figures at most."""
    return format_with_suffix(float(f"{value:z.3g}"))


def set_log_axes(ax: Axes) -> None:
    """Both axes logarithmic, ticks at 1, 2 and 5 in each decade."""
    ax.set_xscale("log")
    ax.set_yscale("log")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(format_with_suffix))
        axis.set_minor_formatter(NullFormatter())


def set_parameter_axis(ax: Axes) -> None:
    """Parameters along x, logarithmic, with ticks a person would choose: more of them within a decade."""
    ax.set_xscale("log")
    left, right = ax.get_xlim()
    subs = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0) if right < 20 * left else (1.0, 2.0, 5.0)
    ax.xaxis.set_major_locator(LogLocator(subs=subs))
    ax.xaxis.set_major_formatter(FuncFormatter(format_with_suffix))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel("parameters")


def write_key(figure: Figure, *lines: Sequence[str], narrow: bool = False) -> None:
    """Say at the foot of a figure what its marks are.

    lines: their parts, of which empty ones are left out. narrow: whether each part wants a line of its own.
    """
    parts = [[part for part in line if part] for line in lines]
    said = [(".\n" if narrow else ".  ").join(line) for line in parts if line]
    figure.supxlabel(".\n".join(said), fontsize=6, color="0.45")
