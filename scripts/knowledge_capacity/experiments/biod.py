"""Result 3 (figure 2): bits learned from bioD by GPT-2 against parameters, by exposures."""

import pandas as pd
from matplotlib.figure import Figure

from . import laws


def points(rows: pd.DataFrame) -> pd.DataFrame:
    """The points of the figure."""
    return laws.as_trained(rows, "bioD")


def figure(points: pd.DataFrame) -> Figure:
    """One panel per number of exposures, most first."""
    return laws.by_exposures(points, "bioD, {} exposures")
