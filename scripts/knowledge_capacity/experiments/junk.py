"""Result 10 (figure 8): facts among junk that is never repeated: how much less of them is stored."""

from functools import partial

import pandas as pd
from matplotlib.figure import Figure

from ..figures import laws
from ..verdicts.claims import Claim
from ..verdicts.sentences import Comparison
from . import _mixtures

LOSSES = {100: 20.0, 300: 3.0, 600: 1.5, 1000: 1.3}  # by exposures
FACTOR = 1.5  # around these


def select_points(rows: pd.DataFrame) -> pd.DataFrame:
    """GPT-2 on bioS with unrepetitive junk and without."""
    return _mixtures.select_points(rows)


def draw_figure(points: pd.DataFrame) -> Figure:
    """A panel for each mixture and number of exposures."""
    return laws.draw_by_panel(points)


CLAIMS = [
    Claim(
        f"With 7/8 junk, facts seen {exposures} times lose capacity",
        f"{'up to ' if exposures == 100 else ''}{loss:g} times less than after 100 exposures without junk",
        f"highest R without junk at 100 exposures over that with junk at {exposures}",
        loss / (4 if exposures == 100 else FACTOR),
        loss * FACTOR,
        partial(_mixtures.junk_loss_factor, exposures, False, False),
        Comparison("GPT-2 after 100 exposures without junk", f"after {exposures} exposures among 7/8 junk"),
    )
    for exposures, loss in LOSSES.items()
]
