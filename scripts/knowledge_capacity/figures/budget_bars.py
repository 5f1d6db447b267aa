"""The error budget of `measuring.error_budget` as a table and as bars."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from . import style

if TYPE_CHECKING:
    from ..measuring.error_budget import Convention


def format_budget_table(run: str, found: "Sequence[Convention]") -> str:
    """The table: every convention with its bits, parameters, R, and R less the study's own."""
    ours = found[0]
    lines = [
        f"{run}, as trained. R as reported is {ours.ratio:z.3f} bits per parameter, "
        f"95 % interval over people {ours.low:z.3f} to {ours.high:z.3f}. Each line changes one convention.\n",
        "| convention | bits learned | parameters | R | change |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for one in found:
        change = "" if one is ours else f"{one.ratio - ours.ratio:+z.3f}"
        if one is not ours and one.low < one.high:
            change = f"{one.low - ours.ratio:+z.3f} to {one.high - ours.ratio:+z.3f}"
        lines.append(
            f"| {one.name} | {one.bits:z,.0f} | {one.n_parameters:,} | {one.ratio:z.3f} | {change} |"
        )
    return "\n".join(lines) + "\n"


def draw_budget(run: str, found: "Sequence[Convention]") -> Figure:
    """A bar for each change of R; the interval of R as reported is shaded."""
    style.apply_style()
    ours, others = found[0], found[1:]
    figure, ax = plt.subplots(figsize=(1.9 * style.COLUMN, 0.9 + 0.27 * len(others)))
    ax.axvspan(ours.low - ours.ratio, ours.high - ours.ratio, color="0.9", lw=0, zorder=0)
    ax.axvline(0, color="0.3", lw=0.8)
    colour = style.assign_colors(["change"])["change"]
    for y, one in enumerate(others):
        change = one.ratio - ours.ratio
        ax.barh(y, change, height=0.6, color=colour)
        if one.low < one.high:
            ax.plot([one.low - ours.ratio, one.high - ours.ratio], [y, y], "-|", color="0.2", lw=1)
        ax.text(1.02, y, f"{change:+z.3f}", transform=ax.get_yaxis_transform(), va="center", fontsize=7)
    ax.set_yticks(range(len(others)), [one.name for one in others])
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(len(others) - 0.4, -0.6)
    ax.spines["left"].set_visible(False)
    ax.margins(x=0.1)
    ax.set_xlabel(f"change of R, from {ours.ratio:z.3f} bits per parameter (shaded: its 95 % interval)")
    ax.set_title(run, fontsize=6, color="0.45", loc="right")
    return figure
