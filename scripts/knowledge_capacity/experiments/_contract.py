"""What a module of an experiment provides, and finding it by its name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module

import pandas as pd
from matplotlib.figure import Figure

from ..figures import capacity_plot
from ..verdicts.claims import Claim
from . import PAPER_RESULTS


@dataclass(frozen=True)
class Experiment:
    """An experiment of the folder experiments/.

    points: from its measurements, what its figure shows; none, where they tell nothing of it. figure, caption, summary:
    from these points, the picture, a sentence with numbers, and the table beside it. claims: what it judges. nothing:
    words for a figure without points, where there are measurements. shows_answers: whether it is about answers to
    questions, which others leave out.
    """

    name: str
    points: Callable[[pd.DataFrame], pd.DataFrame]
    figure: Callable[[pd.DataFrame], Figure]
    caption: Callable[[pd.DataFrame], str] = capacity_plot.caption
    summary: Callable[[pd.DataFrame], pd.DataFrame] = capacity_plot.summary
    claims: Sequence[Claim] = ()
    nothing: str | None = None
    shows_answers: bool = False

    @property
    def number(self) -> int | None:
        """Of the paper's result that it is about, if it is about one."""
        return next((number for number, name in PAPER_RESULTS.items() if name == self.name), None)


# what a module may define beside points and figure, and the field that it fills
OPTIONAL = {
    "caption": "caption",
    "summary": "summary",
    "CLAIMS": "claims",
    "NOTHING": "nothing",
    "SHOWS_ANSWERS": "shows_answers",
}


def load_experiment(name: str) -> Experiment:
    """The experiment of a name. Its module is found by name: so a change of one figure draws no other again."""
    module = import_module(f"knowledge_capacity.experiments.{name}")
    given = {field: getattr(module, own) for own, field in OPTIONAL.items() if hasattr(module, own)}
    return Experiment(name, module.points, module.figure, **given)
