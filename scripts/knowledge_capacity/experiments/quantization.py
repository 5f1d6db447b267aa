"""Result 8 (figures 6, 14 and 15): bits left after quantisation against parameters, by precision."""

import pandas as pd
from matplotlib.figure import Figure

from . import laws, plots
from .precisions import of_variants

MOST = 6  # panels side by side


def points(rows: pd.DataFrame) -> pd.DataFrame:
    """All runs of GPT-2 without junk at every precision; the table shows them all."""
    rows = plots.of_gpt2(rows)
    return plots.over_seeds(rows).merge(of_variants(rows)[["variant", "bits"]], on="variant")


def figure(points: pd.DataFrame) -> Figure:
    """bioS at the most exposures there are (or bioD without bioS), a panel per precision, most bits first.

    Of more variants than there is room for, those that keep most are shown, one for each width of codes.
    """
    shown = points[points.kind == "bioS"] if (points.kind == "bioS").any() else points
    shown = shown[shown.exposures == shown.exposures.max()]
    variants = shown.groupby("variant", as_index=False).agg(
        stored=("bits_per_weight", "mean"), kept=("bits_learned", "sum"), bits=("bits", "first")
    )
    if len(variants) > MOST:
        best = variants.sort_values("kept", ascending=False, kind="stable").drop_duplicates("bits")
        variants = best.sort_values("bits", ascending=False, na_position="first")
    else:
        variants = variants.sort_values("stored", ascending=False)
    title = f"{shown.kind.iloc[0]}, {shown.exposures.iloc[0]} exposures, {{}}"
    return laws.panels(shown, "variant", title, list(variants.variant))
