"""Result 9 (figures 7, 16 and 17): a mixture of 32 experts, of which a token sees one."""

from functools import partial

import pandas as pd
from matplotlib.figure import Figure

from ..figures import laws
from ..verdicts.claims import TOLERANCE, Claim
from ..verdicts.sentences import Comparison
from . import _designs

LOSSES = {1000: 1.3, 100: 1.5}  # by exposures


def select_points(rows: pd.DataFrame) -> pd.DataFrame:
    """GPT-2 and its mixtures of experts on bioS, most exposures first."""
    found = _designs.select_points(rows)
    return found[found.design.str.match(r"gpt2(-moe.*|.*experts.*)?$")].reset_index(drop=True)


def draw_figure(points: pd.DataFrame) -> Figure:
    """A panel for each architecture and number of exposures."""
    return laws.draw_by_panel(points)


CLAIMS = [
    Claim(
        f"With 32 experts, of which one is used, capacity falls little after {exposures} exposures",
        f"by a factor of {loss}, with 8.8 % of parameters active",
        "highest R of gpt2 over that of gpt2-moe",
        1 / TOLERANCE,
        loss * TOLERANCE,
        partial(_designs.gpt2_to_design_ratio, "gpt2-moe", exposures),
        Comparison("GPT-2", f"GPT-2 with 32 experts after {exposures} exposures"),
    )
    for exposures, loss in LOSSES.items()
]
