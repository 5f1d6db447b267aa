"""Results 1 and 4 (figure 1): bits learned from bioS by GPT-2 against parameters, by exposures."""

import pandas as pd
from matplotlib.figure import Figure

from . import laws


def points(rows: pd.DataFrame) -> pd.DataFrame:
    """The points of the figure."""
    return laws.as_trained(rows, "bioS")


def figure(points: pd.DataFrame) -> Figure:
    """One panel per number of exposures, most first."""
    return laws.by_exposures(points, "bioS, {} exposures")
