"""What the experiments on architectures share: their points, and comparisons of the highest R of two."""

from collections.abc import Sequence

import pandas as pd

from ..figures import capacity_plot
from ..specs import FULL_PRECISION
from ..verdicts import claims
from ..verdicts.claims import Reading

LABELS = {
    "gpt2": "GPT-2",
    "gpt2-quarter-mlp": "GPT-2, quarter MLP",
    "gpt2-no-mlp": "GPT-2, no MLP",
    "gpt2-moe": "GPT-2, 32 experts",
    "llama": "LLaMA",
    "llama-tied": "LLaMA, tied",
    "llama-standard-mlp": "LLaMA, standard MLP",
    "llama-tied-standard-mlp": "LLaMA, tied, standard MLP",
    "llama-gelu": "LLaMA, GELU",
    "mistral": "Mistral",
}


def select_points(rows: pd.DataFrame, exposures: int | None = None) -> pd.DataFrame:
    """All models on bioS without junk at full precision, GPT-2 first, with `panel`, the name of the architecture.

    exposures: those of so many alone; None for all.
    """
    rows = rows[(rows.kind == "bioS") & (rows.variant == FULL_PRECISION) & (rows.junk_share == 0)]
    found = capacity_plot.summarize_seeds(rows[rows.exposures == exposures] if exposures else rows)
    order = found.design.map(lambda design: _design_order(design))
    label = found.design.map(lambda design: LABELS.get(design, design))
    found = found.assign(order=order, panel=label + ", " + found.exposures.astype(str) + " exposures")
    return found.sort_values(
        ["exposures", "order", "design", "n_people", "n_parameters"],
        ascending=[False, *[True] * 4],
        ignore_index=True,
    )


def select_designs(rows: pd.DataFrame, designs: Sequence[str], exposures: int) -> pd.DataFrame:
    """Measurements of models of these designs on bioS. Raises Missing where there are none."""
    shown = rows[rows.design.isin(designs)]
    if shown.empty:
        raise claims.NotMeasured(" or ".join(designs))
    return claims.select_rows(shown, kind="bioS", exposures=exposures, variant=FULL_PRECISION, junk_share=0.0)


def compare_designs(a: Sequence[str], b: Sequence[str], exposures: int, rows: pd.DataFrame) -> Reading:
    """The highest R of designs `a` over that of designs `b`."""
    return claims.compare_peaks(select_designs(rows, a, exposures), select_designs(rows, b, exposures))


def design_to_gpt2_ratio(design: str, exposures: int, rows: pd.DataFrame) -> Reading:
    """The highest R of a design over that of GPT-2."""
    return compare_designs((design,), ("gpt2",), exposures, rows)


def gpt2_to_design_ratio(design: str, exposures: int, rows: pd.DataFrame) -> Reading:
    """The highest R of GPT-2 over that of a design."""
    return compare_designs(("gpt2",), (design,), exposures, rows)


def _design_order(design: str) -> int:
    """Where a design stands among those of the paper; others come last."""
    return list(LABELS).index(design) if design in LABELS else len(LABELS)
