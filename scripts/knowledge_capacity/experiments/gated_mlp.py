"""Result 7 (figure 5): what in LLaMA costs capacity after 100 exposures: its gated MLP, and not the rest."""

from functools import partial

import pandas as pd
from matplotlib.figure import Figure

from ..figures import laws
from ..verdicts.claims import TOLERANCE, Claim
from ..verdicts.sentences import Comparison
from . import _designs

EXPOSURES = 100


def select_points(rows: pd.DataFrame) -> pd.DataFrame:
    """GPT-2 and the variations of LLaMA on bioS after so many exposures."""
    found = _designs.select_points(rows, EXPOSURES)
    return found[found.design.str.startswith("llama") | (found.design == "gpt2")].reset_index(drop=True)


def draw_figure(points: pd.DataFrame) -> Figure:
    """A panel for each architecture."""
    return laws.draw_by_panel(points)


CLAIMS = [
    Claim(
        "With a standard MLP, LLaMA stores as much as GPT-2 after 100 exposures",
        "a standard MLP in place of the gated one restores it; tiny models need tied weights as well",
        "highest R of llama with a standard MLP, tied or not, over that of gpt2",
        1 / TOLERANCE,
        TOLERANCE,
        partial(
            _designs.compare_designs, ("llama-standard-mlp", "llama-tied-standard-mlp"), ("gpt2",), EXPOSURES
        ),
        Comparison("LLaMA with a standard MLP", "GPT-2 after 100 exposures"),
    ),
    Claim(
        "LLaMA's activation does not matter",
        "silu and gelu are alike",
        "highest R of llama-gelu over that of llama",
        1 / TOLERANCE,
        TOLERANCE,
        partial(_designs.compare_designs, ("llama-gelu",), ("llama",), EXPOSURES),
        Comparison("LLaMA with GELU", "LLaMA with SiLU after 100 exposures"),
    ),
]
