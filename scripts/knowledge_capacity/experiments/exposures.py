"""Result 4, and what lies between: R against how often each fact was seen, a line for each model."""

import math

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from ..figures import capacity_plot, labels, laws, style
from ..specs import FULL_PRECISION
from ..verdicts import claims
from ..verdicts.claims import TOLERANCE, Claim, Reading
from ..verdicts.sentences import Amount, Comparison

ACROSS = 2  # panels side by side
FACTOR = 1.25  # around the paper's ratio of two capacities
GUIDES = {
    1: "1 bit per parameter",
    2: "1 and 2 bits per parameter",
}  # by the highest, what the figure says of them


def select_points(rows: pd.DataFrame) -> pd.DataFrame:
    """GPT-2 on bioS, on each dataset that some model saw less often than others were shown theirs (else on all)."""
    found = laws.gpt2_points(rows, "bioS")
    fewest = found.groupby("dataset").exposures.transform("min")
    fewer = found[fewest < found.exposures.max()]
    return (fewer if len(fewer) else found).reset_index(drop=True)


def draw_figure(points: pd.DataFrame) -> Figure:
    """R against exposures, a panel for each dataset."""
    style.apply_style()
    panels = list(points.groupby(["n_people", "dataset"]))
    across, down = min(len(panels), ACROSS), math.ceil(len(panels) / ACROSS)
    figure, grid = plt.subplots(
        down,
        across,
        figsize=(style.COLUMN * across, style.COLUMN * down),
        squeeze=False,
        sharex=True,
        sharey=True,
    )
    axes = list(grid.flat)
    for ax in axes[len(panels) :]:
        ax.set_visible(False)
    points = points.assign(
        label=capacity_plot.model_labels(points), size=points.apply(capacity_plot.size_label, axis=1)
    )
    sizes = list(points.sort_values("n_parameters", ascending=False)["size"].unique())
    colours = style.repeat_colors(sizes)
    top = 1.1 * max(1.0, points.span_high.max())
    axes[0].set_ylim(min(0.0, 1.2 * points.span_low.min()), top)
    axes[0].set_xscale("log")
    axes[0].set_xlim(points.exposures.min() / 1.3, points.exposures.max() * 1.3)
    for i, (ax, (_, panel)) in enumerate(zip(axes, panels, strict=False)):
        _draw_panel(ax, points.loc[panel.index], colours)
        ax.legend(loc="upper left", reverse=True, framealpha=0.9, edgecolor="none")
        ax.set_xlabel("exposures" if i + across >= len(panels) else "")
        ax.xaxis.set_tick_params(labelbottom=i + across >= len(panels))
    for row in grid:
        row[0].set_ylabel("bits per parameter")
    style.write_key(
        figure,
        [
            "models: layers-heads, d: width",
            capacity_plot.SPAN,
            "lines: the best recipe at each number of exposures",
        ],
        [
            capacity_plot.hollow_key(points),
            "dotted: all there is to know" if points.ratio_max.min() < top else "",
            f"dashed: {GUIDES[max(guide for guide in GUIDES if guide < top)]}",
        ],
        narrow=across == 1,
    )
    return figure


def _draw_panel(ax: Axes, points: pd.DataFrame, colours: style.Colours) -> None:
    """A line for each size, through the best of its recipes; the others are dots that say what they are."""
    models = list(points.sort_values("n_parameters").groupby("size", sort=False))
    taken: list[labels.Box] = []
    named: list[tuple[str, float, float]] = []
    for i, (size, group) in enumerate(models):
        aside = 1.025 ** (i - (len(models) - 1) / 2)  # beside each other, so that bars can be read
        group = group.assign(x=group.exposures * aside)
        best = group.loc[group.groupby("exposures").ratio.idxmax()]
        ax.plot(best.x, best.ratio, "-", color=colours[size], lw=0.8, label=size)
        ax.axhline(group.ratio_max.mean(), ls=":", color=colours[size], lw=0.7, zorder=0)
        for _, row in group.iterrows():
            capacity_plot.draw_dot(ax, row, row.x, row.ratio, row.span_low, row.span_high, colours[size])
            taken.append(labels.dot_box(ax, row.x, row.span_low, row.span_high))
        named += [(row.label, row.x, row.ratio) for row in group[group.label != size].itertuples()]
    for label, x, ratio in named:
        labels.label_dot(ax, label, x, ratio, taken)
    ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 3.0, 6.0)))
    ax.xaxis.set_major_formatter(FuncFormatter(style.format_with_suffix))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.axhline(0, color="0.8", lw=0.6, zorder=0)
    for guide in GUIDES:
        ax.axhline(guide, color="0.7", lw=0.7, ls="--", zorder=0)
    ax.set_title(f"{points.kind.iloc[0]}, {style.format_with_suffix(points.n_people.iloc[0])} people")


def highest_capacity_ratio(rows: pd.DataFrame) -> Reading:
    """The highest R of GPT-2 after 100 exposures."""
    found, _ = claims.find_peak(
        capacity_plot.select_gpt2(rows), kind="bioS", design="gpt2", exposures=100, variant=FULL_PRECISION
    )
    return found


def often_to_rare_ratio(rows: pd.DataFrame) -> Reading:
    """The highest R after 1000 exposures over that after 100."""
    gpt2 = capacity_plot.select_gpt2(rows)
    often, rare = (
        claims.select_rows(gpt2, kind="bioS", design="gpt2", exposures=exposures, variant=FULL_PRECISION)
        for exposures in (1000, 100)
    )
    return claims.compare_peaks(often, rare)


CLAIMS = [
    Claim(
        "After 100 exposures, it is still 1 bit per parameter",
        "peak R of 1 or more",
        "highest R on bioS",
        1 / TOLERANCE,
        math.inf,
        highest_capacity_ratio,
        Amount("GPT-2 stores {} bits per parameter after 100 exposures."),
    ),
    Claim(
        "A tenth of the exposures leaves half of the capacity",
        "2 bits per parameter after 1000 exposures, 1 after 100",
        "highest R on bioS after 1000 exposures over that after 100",
        2 / FACTOR,
        2 * FACTOR,
        often_to_rare_ratio,
        Comparison("GPT-2 after 1000 exposures", "after 100"),
    ),
]
