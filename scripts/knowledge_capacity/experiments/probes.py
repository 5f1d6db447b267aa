"""Facts beside random strings: bits per parameter of the same models, trained for the same exposures.

Allen-Zhu & Li 2024 find 2 bits per parameter in facts; Morris et al. 2025 (arXiv 2505.24832) about 3.6 in
uniform random strings. Here both go through one training, one scoring and one count of parameters.
"""

import math

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from ..figures import capacity_plot, style
from ..specs import FULL_PRECISION
from ..verdicts import claims
from ..verdicts.claims import TOLERANCE, Claim, Reading
from ..verdicts.sentences import Amount, Comparison
from . import comparison

LABELS = {"bioS": "facts (bioS)", "random": "random strings"}
PUBLISHED = (
    2.29e6 / 667e3
)  # bits and parameters of the row of Morris et al. that studies/gpu.yaml trains again
CLAIMED = {"bioS": 2.0, "random": 3.6}


def select_points(rows: pd.DataFrame) -> pd.DataFrame:
    """GPT-2 on bioS and on random strings at full precision, where both were trained for as many exposures.

    As `comparison.select_points`, smallest first.
    """
    rows = capacity_plot.select_gpt2(rows)
    rows = rows[rows.kind.isin(LABELS)]
    both = rows.groupby(["architecture", "exposures"]).kind.transform("nunique") == len(LABELS)
    if rows[both].empty:
        return rows[both]
    found = comparison.select_points(rows[both])
    return found.sort_values(["exposures", "kind", "n_people", "n_parameters"], ignore_index=True)


def draw_figure(points: pd.DataFrame) -> Figure:
    """R against parameters, a panel per number of exposures, most first."""
    style.apply_style()
    exposures = sorted(points.exposures.unique(), reverse=True)
    figure, axes = plt.subplots(
        1,
        len(exposures),
        figsize=(1.25 * style.COLUMN * len(exposures), style.COLUMN),
        squeeze=False,
        sharex=True,
        sharey=True,
    )
    colours = style.assign_colors(LABELS)
    for ax, many in zip(axes[0], exposures, strict=True):
        shown = points[points.exposures == many]
        for (kind, _, _), group in shown.groupby(["kind", "dataset", "recipe"]):
            colour = colours[kind]
            ax.plot(group.n_parameters, group.ratio, "-", color=colour, lw=0.8, alpha=0.5)
            ax.plot(group.n_parameters, group.ratio_max, "_", color=colour, ms=8)
            for _, row in group.iterrows():
                ax.plot([row.n_parameters] * len(row.ratios), row.ratios, ".", color=colour, ms=3)
                ends = row.span_low, row.span_high
                capacity_plot.draw_dot(ax, row, row.n_parameters, row.ratio, *ends, colour, LABELS[kind])
        for kind, claimed in CLAIMED.items():
            ax.axhline(claimed, color=colours[kind], lw=0.7, ls="--", zorder=0)
        style.set_parameter_axis(ax)
        ax.set_title(f"{many} exposures")
    axes[0][0].set_ylim(min(0, 1.1 * points.span_low.min()), 1.1 * max(CLAIMED.values()))
    axes[0][0].set_ylabel("bits per parameter")
    handles = dict(zip(*reversed(axes[0][0].get_legend_handles_labels()), strict=True))
    axes[0][0].legend(
        handles.values(), handles.keys(), frameon=False, loc="upper left", bbox_to_anchor=(0, 0.9)
    )
    style.write_key(
        figure,
        [capacity_plot.SPAN, "small dots: seeds", "ticks: all there is to know"],
        [
            capacity_plot.hollow_key(points),
            "dashed: what the literature finds in models of a million parameters and more",
        ],
    )
    return figure


def describe_figure(points: pd.DataFrame) -> str:
    """What the figure shows, in numbers."""
    by_kind = [
        f"{said}: {group.ratio.min():z.2f} to {group.ratio.max():z.2f}"
        for kind, said in LABELS.items()
        if len(group := points[points.kind == kind])
    ]
    said = capacity_plot.describe_figure(points, "Bits per parameter in facts and in random strings")
    return f"{said} {'; '.join(by_kind)}."


def strings_to_facts_ratio(rows: pd.DataFrame) -> Reading:
    """The highest R of random strings over that of facts, both at full precision."""
    return claims.peak_ratio(
        *(
            claims.find_peak(
                capacity_plot.select_gpt2(rows), kind=kind, design="gpt2", variant=FULL_PRECISION
            )
            for kind in ("random", "bioS")
        )
    )


def strings_ratio(rows: pd.DataFrame) -> Reading:
    """The highest R of GPT-2 on random strings at full precision."""
    rows = capacity_plot.select_gpt2(rows)
    return claims.find_peak(rows, kind="random", design="gpt2", variant=FULL_PRECISION)[0]


CLAIMS = [
    Claim(
        "Random strings are stored better than facts",
        "3.6 bits per parameter (Morris et al. 2025) against 2: not a claim of this paper, but of two",
        "highest R on random strings over that on bioS, as often seen",
        1.0,
        math.inf,
        strings_to_facts_ratio,
        Comparison("GPT-2", "of people's facts", "stores", "bits per parameter of random strings"),
    ),
    Claim(
        "GPT-2 stores 3.4 bits per parameter of random strings",
        "2.29 of 2.88 Mbit in 667K parameters (Morris et al. 2025, arXiv 2505.24832): a row of another paper",
        "highest R on random strings",
        PUBLISHED / TOLERANCE,
        PUBLISHED * TOLERANCE,
        strings_ratio,
        Amount("GPT-2 stores {} bits per parameter of random strings."),
    ),
]
