"""The headline (section 1): how many parameters would hold English Wikipedia and textbooks.

By the capacity of each kind of model measured, with the assumption on bits in a word that `capacity.extrapolation`
states.
"""

import math

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from ..figures import capacity_plot, style
from ..specs import FULL_PRECISION
from ..statistics import capacities
from ..statistics.extrapolation import BITS_PER_WORD, DENSITIES, WORDS, required_parameters
from ..statistics.intervals import Interval
from ..verdicts import claims
from ..verdicts.claims import TOLERANCE, Claim, NotMeasured, Reading

CLAIMED = 7e9
NOTHING = "No capacity is determined yet, so no number of parameters follows. More sizes or more seeds would give it."


def select_points(rows: pd.DataFrame) -> pd.DataFrame:
    """A row for each capacity that bioS gives, with the parameters that it asks for: mean, low, high, least, most."""
    rows = rows[(rows.kind == "bioS") & (rows.variant == FULL_PRECISION) & (rows.junk_share == 0)]
    found = []
    for (data, design, exposures, _), fit in capacities.fit_capacities(rows).items() if len(rows) else ():
        if not capacities.is_determined(fit):
            continue
        words = sum(WORDS.values())
        ends = [required_parameters(density * words, fit.capacity) for density in (BITS_PER_WORD, *DENSITIES)]
        sizes = rows[
            (rows.data == data) & (rows.design == design) & (rows.exposures == exposures)
        ].n_parameters
        found.append(
            {
                "data": data,
                "design": design,
                "exposures": exposures,
                "capacity": fit.capacity,
                "mean": ends[0].mean,
                "low": ends[0].low,
                "high": ends[0].high,
                "least": ends[1].low,
                "most": ends[2].high,
                "largest": sizes.max(),
                "smallest": sizes.min(),
            }
        )
    return pd.DataFrame(found)


def draw_figure(points: pd.DataFrame) -> Figure:
    """A line for each capacity, on a logarithmic axis of parameters."""
    style.apply_style()
    figure, ax = plt.subplots(figsize=(1.9 * style.COLUMN, 1.1 + 0.3 * len(points)))
    colour = style.assign_colors(["model"])["model"]
    finite = [v for c in ("least", "mean", "low", "high", "most") for v in points[c] if math.isfinite(v)]
    edge = 3 * max(*finite, CLAIMED)
    for y, row in enumerate(points.itertuples()):
        ax.plot(
            [row.least, min(row.most, edge)],
            [y, y],
            "-",
            color=colour,
            lw=5,
            alpha=0.2,
            solid_capstyle="butt",
        )
        ax.plot([row.low, min(row.high, edge)], [y, y], "-|", color=colour, lw=1)
        ax.plot(row.mean, y, "o", ms=5, color=colour)
        if math.isinf(row.high):
            ax.plot(edge, y, ">", ms=4, color=colour, clip_on=False)
    ax.axvline(CLAIMED, color="0.5", lw=0.8, ls="--", zorder=0)
    ax.annotate(
        "7B (paper)", (CLAIMED, -0.55), xytext=(3, 0), textcoords="offset points", fontsize=6, color="0.4"
    )
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(FuncFormatter(style.format_with_suffix))
    names = capacities.shorten_data_names(points.data)
    ax.set_yticks(
        range(len(points)),
        [f"{names[row.data]}, {row.design}, {row.exposures} exposures" for row in points.itertuples()],
    )
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(len(points) - 0.4, -0.7)
    ax.set_xlim(min(*finite, CLAIMED) / 2, edge)
    ax.spines["left"].set_visible(False)
    ax.set_xlabel("parameters that would hold English Wikipedia and textbooks")
    style.write_key(
        figure,
        [f"dots: at {BITS_PER_WORD:z.2f} bits a word, with the 95 % interval of the capacity"],
        [
            f"pale: {DENSITIES[0]:z.2f} to {DENSITIES[1]:z.2f} bits a word, an assumption of ours",
            "arrows: no end, since the capacity could be zero" if points.high.map(math.isinf).any() else "",
        ],
    )
    return figure


def describe_figure(points: pd.DataFrame) -> str:
    """What the figure shows, in numbers."""
    row = points.loc[points["mean"].idxmin()]
    return (
        f"Parameters that would hold English Wikipedia and textbooks, {sum(WORDS.values()) / 1e9:z.1f} billion words. "
        f"Fewest: {_format_large(row['mean'])} (interval {_format_large(row.low)} to {_format_large(row.high)}), "
        f"by {row.design} on "
        f"{row.data} after {row.exposures} exposures, whose capacity is {row.capacity.mean:z.2f} ("
        f"{row.capacity.low:z.2f} to {row.capacity.high:z.2f}) bits per parameter, measured on models of "
        f"{row.smallest:z,.0f} to {row.largest:z,.0f} parameters: "
        f"{_format_large(row['mean'] / row.largest)} times smaller."
    )


def tabulate_points(points: pd.DataFrame) -> pd.DataFrame:
    """The numbers behind the figure."""
    return pd.DataFrame(
        {
            "data": points.data,
            "model": points.design,
            "exposures": points.exposures,
            "capacity": [f"{c.mean:z.2f} ({c.low:z.2f} to {c.high:z.2f})" for c in points.capacity],
            "parameters": points["mean"].map(_format_large),
            "95 % interval of capacity": [
                f"{_format_large(r.low)} to {_format_large(r.high)}" for r in points.itertuples()
            ],
            f"at {DENSITIES[0]:z.2f} to {DENSITIES[1]:z.2f} bits a word": [
                f"{_format_large(r.least)} to {_format_large(r.most)}" for r in points.itertuples()
            ],
            "largest model measured": points.largest.map("{:z,.0f}".format),
        }
    )


def gpt2_required_parameters(rows: pd.DataFrame) -> Reading:
    """The parameters wanted at the capacity of GPT-2 after 1000 exposures."""
    measured = capacity_plot.select_gpt2(
        claims.select_rows(rows, kind="bioS", exposures=1000, variant=FULL_PRECISION)
    )
    measured = capacities.select_main_data(measured) if len(measured) else measured
    fits = [fit for fit in capacities.fit_capacities(measured).values() if capacities.is_determined(fit)]
    if not fits:
        raise NotMeasured("a capacity of GPT-2 with an interval of use, at 1000 exposures")
    value = required_parameters(BITS_PER_WORD * sum(WORDS.values()), fits[0].capacity)
    seeds = int(measured.groupby("architecture").seed.nunique().min())
    sizes = measured.n_parameters
    people = int(measured.n_people.min())
    span = (float(sizes.min()), float(sizes.max()))
    return Reading(Interval(*value), seeds, span, people, False, False, f"{len(measured)} runs of GPT-2")


CLAIMS = [
    Claim(
        "7B parameters hold English Wikipedia and textbooks",
        "14 billion bits, at 2 bits per parameter",
        "parameters wanted, by the capacity of GPT-2 at 1000 exposures",
        0.0,
        CLAIMED * TOLERANCE,
        gpt2_required_parameters,
    )
]


def _format_large(count: float) -> str:
    if math.isinf(count):
        return "any number"
    size, letter = next(
        (s, x) for s, x in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1.0, "")) if count >= s or s == 1.0
    )
    return f"{count / size:.3g}{letter}"
