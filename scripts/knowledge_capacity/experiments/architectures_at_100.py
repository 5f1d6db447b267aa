"""Result 6 (figure 4): other architectures than GPT-2 after 100 exposures, a panel for each."""

import math
from functools import partial

import pandas as pd
from matplotlib.figure import Figure

from ..figures import laws
from ..verdicts.claims import TOLERANCE, Claim
from ..verdicts.sentences import Comparison
from . import _designs

EXPOSURES = 100


def select_points(rows: pd.DataFrame) -> pd.DataFrame:
    """All models on bioS after so many exposures, GPT-2 first."""
    return _designs.select_points(rows, EXPOSURES)


def draw_figure(points: pd.DataFrame) -> Figure:
    """A panel for each architecture."""
    return laws.draw_by_panel(points)


CLAIMS = [
    *(
        Claim(
            f"{said} stores less than GPT-2 after 100 exposures",
            "up to 1.3 times less, at the best learning rate",
            f"highest R of gpt2 over that of {design}",
            1.0,
            1.3 * TOLERANCE,
            partial(_designs.gpt2_to_design_ratio, design, EXPOSURES),
            Comparison("GPT-2", f"{said} after 100 exposures"),
        )
        for design, said in (("llama", "LLaMA"), ("mistral", "Mistral"))
    ),
    Claim(
        "A quarter of the MLP does not matter after 100 exposures",
        "a negligible loss",
        "highest R of gpt2-quarter-mlp over that of gpt2",
        1 / TOLERANCE,
        TOLERANCE,
        partial(_designs.design_to_gpt2_ratio, "gpt2-quarter-mlp", EXPOSURES),
        Comparison("GPT-2 with a quarter of its MLP", "GPT-2 after 100 exposures"),
    ),
    Claim(
        "Without MLP, GPT-2 stores far less after 100 exposures",
        "more than 1.5 times less",
        "highest R of gpt2 over that of gpt2-no-mlp",
        1.5 / TOLERANCE,
        math.inf,
        partial(_designs.gpt2_to_design_ratio, "gpt2-no-mlp", EXPOSURES),
        Comparison("GPT-2", "GPT-2 without MLP after 100 exposures"),
    ),
]
