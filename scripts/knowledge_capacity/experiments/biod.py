"""Result 3 (figures 2 and 12): bits learned from bioD by GPT-2 against parameters, by exposures."""

from dataclasses import replace

import pandas as pd
from matplotlib.figure import Figure

from ..figures import capacity_plot, laws
from ..specs import FULL_PRECISION
from ..statistics.intervals import Interval
from ..verdicts import claims
from ..verdicts.claims import TOLERANCE, Claim, Reading
from ..verdicts.sentences import Amount


def select_points(rows: pd.DataFrame) -> pd.DataFrame:
    """The points of the figure."""
    return laws.gpt2_points(rows, "bioD")


def draw_figure(points: pd.DataFrame) -> Figure:
    """One panel per number of exposures, most first."""
    return laws.draw_by_exposures(points, "bioD, {} exposures")


def lowest_peak(rows: pd.DataFrame) -> Reading:
    """The highest R after 1000 exposures, on the dataset where that is lowest: at most every dataset's upper end."""
    rows = claims.select_rows(
        capacity_plot.select_gpt2(rows), kind="bioD", design="gpt2", exposures=1000, variant=FULL_PRECISION
    )
    groups = [group for _, group in rows.groupby("dataset")]
    peaks = [claims.find_peak(group, of=len(groups))[0] for group in groups]
    lowest = min(peaks, key=lambda reading: reading.value.mean)
    ends = (min(one.value.low for one in peaks), min(one.value.high for one in peaks))
    return replace(lowest, value=Interval(lowest.value.mean, *ends))


CLAIMS = [
    Claim(
        "Random strings as values are stored at 2 bits per parameter too, whatever their number, length and alphabet",
        "peak R of 2 or more for all K, C, D, L and T",
        "highest R on the bioD where that is lowest, at 1000 exposures",
        2 / TOLERANCE,
        2.3 * TOLERANCE,
        lowest_peak,
        Amount("Of random values, GPT-2 stores {} bits per parameter where it stores fewest."),
    )
]
