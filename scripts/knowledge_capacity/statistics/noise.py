"""The noise of a setup: how far R of one model lies apart over seeds, and what so many seeds can tell because of it."""

import math
from typing import NamedTuple

import pandas as pd
from scipy import stats

from . import compare
from .bootstrap import LEVEL
from .intervals import Interval, Prior
from .power import POWER, detectable_ratio
from .spread import log_spread_prior

SEEDS = (2, 3, 4, 6, 8, 12, 16, 24)  # of the table
MOST = 10.0  # a ratio beyond it is not worth its digits


class Spread(NamedTuple):
    """The standard deviation of R over seeds as a share of R. own: by the seeds alone, with its 95 % interval.

    moderated: with what other cells say, whose freedom is `borrowed`.
    """

    own: Interval
    moderated: float
    borrowed: float


def estimate_spread(rows: pd.DataFrame) -> Spread:
    """Of the seeds of one model, two or more, with R above 0 on average. rows: with the columns of `add_spreads`."""
    ratios, prior = rows.capacity_ratio.to_numpy(float), log_spread_prior(rows)
    mean, freedom = float(ratios.mean()), len(ratios) - 1
    variance = float(ratios.var(ddof=1)) / mean**2
    # the interval of a standard deviation, by the distribution of s² over σ²
    ends = (
        math.sqrt(variance * freedom / stats.chi2.ppf(p, freedom)) for p in ((1 + LEVEL) / 2, (1 - LEVEL) / 2)
    )
    moderated = (freedom * variance + prior.freedom * prior.variance) / (freedom + prior.freedom)
    return Spread(Interval(math.sqrt(variance), *ends), math.sqrt(moderated), prior.freedom)


def format_noise(rows: pd.DataFrame, at_once: int) -> str:
    """The R of each seed, their spread, and the differences that seeds can tell, in words and a table.

    rows: the seeds of one model, none of which diverged, with the columns of `add_spreads` and with `late_share`.
    at_once: how many runs this machine trains side by side, each in the seconds that it took.
    """
    mean, low, high = compare.capacity_ratio(rows)
    seeds = ", ".join(f"{row.capacity_ratio:z.3f}" for row in rows.sort_values("seed").itertuples())
    found = estimate_spread(rows)
    share = f"{100 * found.own.mean:z.1f} % of R"
    lines = [
        f"R of each seed: {seeds}",
        f"R: {mean:z.3f} bits per parameter, 95 % interval {low:z.3f} to {high:z.3f} ({len(rows)} seeds)",
        f"spread over seeds: {share}, 95 % interval {100 * found.own.low:z.1f} to {100 * found.own.high:z.1f} %",
    ]
    if found.borrowed:
        lines.append(
            f"with what published cells of its kind say: {100 * found.moderated:z.1f} % of R, as in the table; "
            f"they tell as much as {found.borrowed:z.0f} seeds more"
        )
    late = float(rows.late_share.mean())
    if not math.isnan(late):
        lines.append(f"learned in the last tenth of training: {100 * late:z.1f} % of its bits")
    seconds = float(rows.train_seconds.median())
    lines += [f"a run trains in {seconds:z.0f} s here, {at_once} at a time", "", describe_table()]
    cells = [["seeds of each", "paired", "unpaired", "runs of both", "minutes here"]]
    for seeds_each in SEEDS:
        told = detectable_ratio(found.moderated, seeds_each, Prior(0.0, found.borrowed))
        minutes = math.ceil(2 * seeds_each / at_once) * seconds / 60
        ratios = map(format_difference, (told.paired, told.unpaired))
        cells.append([str(seeds_each), *ratios, str(2 * seeds_each), f"{minutes:z.1f}"])
    return "\n".join([*lines, compare.align_columns(cells), "", _conclude(len(rows), found)])


def _conclude(seeds: int, found: Spread) -> str:
    """What so many seeds on each side can tell, in a sentence."""
    told = detectable_ratio(found.moderated, seeds, Prior(0.0, found.borrowed)).paired
    return (
        f"With {seeds} seeds of each, as here, you can tell a difference of {format_difference(told)}. "
        "Smaller ones need more seeds."
    )


def describe_table() -> str:
    """What the table of `format_noise` holds."""
    return (
        f"The least difference in R told at 95 % in {100 * POWER:z.0f} % of studies, if both sides spread alike\n"
        "(paired: the same seeds on both sides, as in make bits and make compare; unpaired: seeds of their own):"
    )


def describe_expectation(spread: Prior, seeds: int) -> str:
    """What a comparison by paired seeds can be expected to show before it is made. spread: of `expected_spread`."""
    if seeds == 1:
        return "with one seed, no difference can be told from chance: other seeds may say something else."
    if not spread.freedom:
        return (
            "no published cells tell how far seeds of this kind lie apart. make noise tells, and what "
            "difference they can show."
        )
    share = math.sqrt(spread.variance)
    told = detectable_ratio(share, seeds, Prior(0.0, spread.freedom)).paired
    return (
        f"{seeds} seeds can be expected to tell a difference of {format_difference(told)} in R, in "
        f"{100 * POWER:z.0f} % of studies. Seeds of published cells of this kind spread by {100 * share:z.0f} %. "
        "make noise says how many seeds a smaller one needs."
    )


def format_difference(ratio: float) -> str:
    """A ratio above 1 as the difference that it is, in per cent."""
    return f"{100 * (ratio - 1):z.0f} %" if ratio < MOST else f"over {100 * (MOST - 1):z.0f} %"
