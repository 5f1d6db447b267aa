"""Result 11 (figure 8): facts among junk about few people, seen again and again."""

from functools import partial

import pandas as pd
from matplotlib.figure import Figure

from ..figures import laws
from ..verdicts.claims import TOLERANCE, Claim
from ..verdicts.sentences import Comparison
from . import _mixtures


def select_points(rows: pd.DataFrame) -> pd.DataFrame:
    """GPT-2 on bioS with repetitive junk and without."""
    return _mixtures.select_points(rows, repetitive=True)


def draw_figure(points: pd.DataFrame) -> Figure:
    """A panel for each mixture and number of exposures."""
    return laws.draw_by_panel(points)


CLAIMS = [
    Claim(
        "Junk that repeats itself costs nothing",
        "no loss after 100 exposures with 7/8 junk about 1000 people",
        "highest R without junk over that with repetitive junk, both at 100 exposures",
        0.0,
        TOLERANCE,
        partial(_mixtures.junk_loss_factor, 100, True, False),
        Comparison("GPT-2 without junk", "among 7/8 junk that repeats itself, after 100 exposures"),
    )
]
