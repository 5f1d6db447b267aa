"""Results 1 and 4 (figure 1): bits learned from bioS by GPT-2 against parameters, by exposures."""

import pandas as pd
from matplotlib.figure import Figure

from . import laws, plots


def points(rows: pd.DataFrame) -> pd.DataFrame:
    """The points of the figure."""
    return plots.over_seeds(rows[(rows.kind == "bioS") & (rows.family == "gpt2") & (rows.variant == "fp32")])


def figure(points: pd.DataFrame) -> Figure:
    """One panel per number of exposures, most first."""
    return laws.panels(
        points, "exposures", "bioS, {} exposures", sorted(points.exposures.unique(), reverse=True)
    )
