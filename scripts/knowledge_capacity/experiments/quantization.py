"""Result 8 (figures 6, 14 and 15): bits left after quantisation against parameters, by precision."""

from functools import partial

import pandas as pd
from matplotlib.figure import Figure

from ..figures import capacity_plot, laws
from ..specs import FULL_PRECISION
from ..verdicts import claims
from ..verdicts.claims import TOLERANCE, Claim, NotMeasured, Reading
from ..verdicts.sentences import Amount, Comparison
from ._precisions import variant_table

MOST = 6  # panels side by side


def select_points(rows: pd.DataFrame) -> pd.DataFrame:
    """All runs of GPT-2 without junk at every precision; the table shows them all."""
    rows = capacity_plot.select_gpt2(rows)
    return capacity_plot.summarize_seeds(rows).merge(
        variant_table(rows)[["variant", "method", "bits"]], on="variant"
    )


def draw_figure(points: pd.DataFrame) -> Figure:
    """bioS at the most exposures there are (or bioD without bioS), a panel per precision, most bits first.

    However many people GPTQ is shown, it is one precision. Of more precisions than there is room for, those that keep
    most are shown, one for each width of codes.
    """
    shown = points[points.kind == "bioS"] if (points.kind == "bioS").any() else points
    shown = shown[shown.exposures == shown.exposures.max()]
    shown = shown.assign(precision=shown.variant.str.replace(r"-people\d+$", "", regex=True))
    found = shown.groupby("precision", as_index=False).agg(
        stored=("bits_per_weight", "mean"), kept=("bits_learned", "sum"), bits=("bits", "first")
    )
    if len(found) > MOST:
        found = found.sort_values("kept", ascending=False, kind="stable").drop_duplicates("bits")
    found = found.sort_values(["bits", "stored", "precision"], ascending=False, na_position="first")
    title = f"{shown.kind.iloc[0]}, {shown.exposures.iloc[0]} exposures, {{}}"
    return laws.draw_panels(shown, "precision", title, list(found.precision))


def select_quantized(rows: pd.DataFrame, bits: int) -> pd.DataFrame:
    """Measurements on bioS after 1000 exposures at so many bits, by GPTQ, or else rounded to nearest."""
    rows = capacity_plot.select_gpt2(claims.select_rows(rows, kind="bioS", exposures=1000))
    stored = variant_table(rows)
    stored = stored[(stored.bits == bits) & (stored.matrices == "layers")]
    for method in ("gptq", "rtn"):
        names = stored[stored.method == method].variant
        if len(names):
            return rows[rows.variant.isin(names)]
    raise NotMeasured(f"a variant of {bits} bits")


def quantized_to_full_ratio(bits: int, rows: pd.DataFrame) -> Reading:
    """The highest R at so many bits over that at full precision."""
    trained = capacity_plot.select_gpt2(
        claims.select_rows(rows, kind="bioS", exposures=1000, variant=FULL_PRECISION)
    )
    quantized = select_quantized(rows, bits)
    return claims.compare_peaks(quantized, trained[trained.run.isin(quantized.run)])


def quantized_capacity_ratio(bits: int, rows: pd.DataFrame) -> Reading:
    """The highest R at so many bits."""
    return claims.find_peak(select_quantized(rows, bits))[0]


CLAIMS = [
    Claim(
        "8 bits a weight lose nothing",
        "int8 by GPTQ stores as much as 16 bits",
        "highest R of int8 over that as trained, bioS at 1000 exposures",
        1 / TOLERANCE,
        TOLERANCE,
        partial(quantized_to_full_ratio, 8),
        Comparison("weights of 8 bits", "weights as trained", "hold", "bits"),
    ),
    Claim(
        "4 bits a weight leave about 0.7 bits per parameter",
        "int4 by GPTQ drops to about 0.7",
        "highest R of int4, bioS at 1000 exposures",
        0.7 / TOLERANCE,
        0.7 * TOLERANCE,
        partial(quantized_capacity_ratio, 4),
        Amount("Weights of 4 bits hold {} bits per parameter."),
    ),
]
