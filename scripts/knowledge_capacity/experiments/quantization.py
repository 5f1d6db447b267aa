"""Result 8 (figures 6, 14 and 15): bits left after quantisation against parameters, by precision."""

import pandas as pd
from matplotlib.figure import Figure

from . import laws, plots


def points(rows: pd.DataFrame) -> pd.DataFrame:
    """The points of the figure: bioS at the most exposures there are, at every precision."""
    bios = rows[(rows.kind == "bioS") & (rows.family == "gpt2")]
    return plots.over_seeds(bios[bios.exposures == bios.exposures.max()])


def figure(points: pd.DataFrame) -> Figure:
    """One panel per precision, most bits first."""
    order = points.groupby("variant").bits_per_weight.mean().sort_values(ascending=False)
    return laws.panels(
        points, "variant", f"bioS, {points.exposures.max()} exposures, {{}}", list(order.index)
    )
