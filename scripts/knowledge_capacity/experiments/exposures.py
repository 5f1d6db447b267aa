"""Result 4, and what lies between: R against how often each fact was seen, a line for each model."""

import math

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from ..specs import FULL_PRECISION
from . import claims, laws, plots, style
from .claims import TOLERANCE, Claim, Reading

RESULT = 4
KEY = "bars: 95 % intervals of all seeds.  hollow: data-limited.  dotted: all there is to know"


def points(rows: pd.DataFrame) -> pd.DataFrame:
    """GPT-2 on bioS."""
    return laws.as_trained(rows, "bioS")


def figure(points: pd.DataFrame) -> Figure:
    """R against exposures, a panel for each dataset of which a model was trained at several (else for all)."""
    style.use()
    by_model = points.groupby(["dataset", "architecture"]).exposures
    curves = points[by_model.transform("nunique") > 1].dataset.unique()
    shown = points[points.dataset.isin(curves)] if len(curves) else points
    panels = list(shown.groupby(["n_people", "dataset"]))
    figure, axes = plt.subplots(
        1,
        len(panels),
        figsize=(1.2 * style.COLUMN * len(panels) + 0.9, style.COLUMN),
        squeeze=False,
        sharey=True,
    )
    colours = style.colours(sorted(points.n_parameters.round().unique()))
    for ax, (_, group) in zip(axes[0], panels, strict=True):
        for _, line in sorted(
            group.groupby("architecture"), key=lambda one: float(one[1].n_parameters.mean())
        ):
            line = line.sort_values("exposures")
            first, colour = line.iloc[0], colours[round(line.n_parameters.iloc[0])]
            ax.plot(line.exposures, line.ratio, "-", color=colour, lw=0.8, label=plots.size_label(first))
            ax.plot(line.exposures, line.ratio_max, ":", color=colour, lw=0.7)
            for _, row in line.iterrows():
                ends = row.bits_low / row.n_parameters, row.bits_high / row.n_parameters
                plots.dot(ax, row, row.exposures, row.ratio, *ends, colour)
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 3.0, 6.0)))
        ax.xaxis.set_major_formatter(FuncFormatter(style.rounded))
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.axhline(0, color="0.8", lw=0.6, zorder=0)
        for guide in (1, 2):
            ax.axhline(guide, color="0.7", lw=0.7, ls="--", zorder=0)
        ax.set_xlabel("exposures")
        ax.set_title(f"{group.kind.iloc[0]}, {style.rounded(group.n_people.iloc[0])} people")
    axes[0][0].set_ylabel("bits per parameter")
    axes[0][0].set_ylim(min(0.0, 1.1 * points.ratio.min()), 1.15 * max(1.0, points.ratio.max()))
    by_label = {
        label: handle for ax in axes[0] for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        by_label.values(),
        by_label.keys(),
        loc="outside right upper",
        frameon=False,
        title="layers-heads, width",
    )
    figure.supxlabel(KEY, fontsize=6, color="0.45")
    return figure


def peak(rows: pd.DataFrame) -> Reading:
    """The highest R of GPT-2 after 100 exposures."""
    found, _ = claims.peak(rows, kind="bioS", design="gpt2", exposures=100, variant=FULL_PRECISION)
    return found


CLAIMS = [
    Claim(
        "After 100 exposures, it is still 1 bit per parameter",
        "peak R of 1 or more",
        "highest R on bioS",
        1 / TOLERANCE,
        math.inf,
        peak,
    )
]
