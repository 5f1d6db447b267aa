"""Result 8 (figures 6, 14 and 15): bits left after quantisation against parameters, by precision."""

import pandas as pd
from matplotlib.figure import Figure

from . import laws, plots


def points(rows: pd.DataFrame) -> pd.DataFrame:
    """All runs of GPT-2 without junk at every precision; the table shows them all."""
    return plots.over_seeds(plots.of_gpt2(rows))


def figure(points: pd.DataFrame) -> Figure:
    """bioS at the most exposures there are (or bioD without bioS), a panel per precision, most bits first."""
    shown = points[points.kind == "bioS"] if (points.kind == "bioS").any() else points
    shown = shown[shown.exposures == shown.exposures.max()]
    order = shown.groupby("variant").bits_per_weight.mean().sort_values(ascending=False)
    title = f"{shown.kind.iloc[0]}, {shown.exposures.iloc[0]} exposures, {{}}"
    return laws.panels(shown, "variant", title, list(order.index))
