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

    select_points: from its measurements, what its figure shows; none, where they tell nothing of it. draw_figure,
    describe_figure, tabulate_points: from these points, the picture, a sentence with numbers, and the table beside it.
    claims: what it judges. nothing: words for a figure without points, where there are measurements. shows_answers:
    whether it is about answers to questions, which others leave out. shows_snapshots: the same of weights on the way.
    """

    name: str
    select_points: Callable[[pd.DataFrame], pd.DataFrame]
    draw_figure: Callable[[pd.DataFrame], Figure]
    describe_figure: Callable[[pd.DataFrame], str] = capacity_plot.describe_figure
    tabulate_points: Callable[[pd.DataFrame], pd.DataFrame] = capacity_plot.tabulate_points
    claims: Sequence[Claim] = ()
    nothing: str | None = None
    shows_answers: bool = False
    shows_snapshots: bool = False

    @property
    def number(self) -> int | None:
        """Of the paper's result that it is about, if it is about one."""
        return next((number for number, name in PAPER_RESULTS.items() if name == self.name), None)


# what a module may define beside select_points and draw_figure, and the field that it fills
OPTIONAL = {
    "describe_figure": "describe_figure",
    "tabulate_points": "tabulate_points",
    "CLAIMS": "claims",
    "NOTHING": "nothing",
    "SHOWS_ANSWERS": "shows_answers",
    "SHOWS_SNAPSHOTS": "shows_snapshots",
}


def load_experiment(name: str) -> Experiment:
    """The experiment of a name. Its module is found by name: so a change of one figure draws no other again."""
    module = import_module(f"knowledge_capacity.experiments.{name}")
    given = {field: getattr(module, own) for own, field in OPTIONAL.items() if hasattr(module, own)}
    return Experiment(name, module.select_points, module.draw_figure, **given)
