"""Result 12 (figure 8): a token before each useful biography tells the model what to remember."""

from functools import partial

import pandas as pd
from matplotlib.figure import Figure

from ..figures import laws
from ..verdicts.claims import TOLERANCE, Claim
from ..verdicts.sentences import Comparison
from . import _mixtures

FACTOR = 1.5


def select_points(rows: pd.DataFrame) -> pd.DataFrame:
    """GPT-2 on bioS with unrepetitive junk, with a domain token and without, and without junk."""
    found = _mixtures.select_points(rows, token=True)
    return found if len(found) and (found.domain_token != "none").any() else found.iloc[:0]


def draw_figure(points: pd.DataFrame) -> Figure:
    """A panel for each mixture and number of exposures."""
    return laws.draw_by_panel(points)


CLAIMS = [
    Claim(
        "With a domain token, facts among junk seen 100 times lose far less",
        "2 times less than without junk, in place of 20 times",
        "highest R without junk over that with junk and a domain token, both at 100 exposures",
        2 / FACTOR,
        2 * FACTOR,
        partial(_mixtures.junk_loss_factor, 100, False, True),
        Comparison(
            "GPT-2 after 100 exposures without junk", "after 100 exposures among junk with a domain token"
        ),
    ),
    Claim(
        "With a domain token, facts among junk seen 300 times lose nothing",
        "no loss against 100 exposures without junk",
        "highest R without junk at 100 exposures over that with junk and a domain token at 300",
        0.0,
        TOLERANCE,
        partial(_mixtures.junk_loss_factor, 300, False, True),
        Comparison(
            "GPT-2 after 100 exposures without junk", "after 300 exposures among junk with a domain token"
        ),
    ),
]
