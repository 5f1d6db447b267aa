"""Result 5 (figure 3): other architectures than GPT-2 after 1000 exposures, a panel for each."""

from functools import partial

import pandas as pd
from matplotlib.figure import Figure

from ..figures import laws
from ..verdicts.claims import TOLERANCE, Claim
from ..verdicts.sentences import Comparison
from . import _designs

EXPOSURES = 1000


def select_points(rows: pd.DataFrame) -> pd.DataFrame:
    """All models on bioS after so many exposures, GPT-2 first."""
    return _designs.select_points(rows, EXPOSURES)


def draw_figure(points: pd.DataFrame) -> Figure:
    """A panel for each architecture."""
    return laws.draw_by_panel(points)


CLAIMS = [
    Claim(
        f"{said} stores as much as GPT-2 after 1000 exposures",
        "about 2 bits per parameter for all" + (", LLaMA slightly less if tiny" if design == "llama" else ""),
        f"highest R of {design} over that of gpt2",
        0.9 / TOLERANCE if design == "llama" else 1 / TOLERANCE,
        TOLERANCE,
        partial(_designs.design_to_gpt2_ratio, design, EXPOSURES),
        Comparison(said, "GPT-2 after 1000 exposures"),
    )
    for design, said in (
        ("llama", "LLaMA"),
        ("mistral", "Mistral"),
        ("gpt2-quarter-mlp", "GPT-2 with a quarter of its MLP"),
        ("gpt2-no-mlp", "GPT-2 without MLP"),
    )
]
