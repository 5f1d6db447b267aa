"""The work of training a cell, and the seconds that it takes on a device (`cost` learns them, `asked` asks for them).

A cell is all runs that differ in seed and learning rate alone. A GPU trains several of them in one step, a stack:
that waits for its kernels as often as the step of one run, and has the tokens and operations of all. A processor
trains them one after the other.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..data.lengths import training_words
from ..specs import Architecture, Run
from ..training.worthwhile import MOST, even_size, worthwhile_size

HELD_OUT = 1.645  # spreads: 90 % of runs lie within
LAYERS = 2  # of a model that does not say how many it has


@dataclass(frozen=True)
class TrainingWork:
    """What training has to do. flops: 6 · parameters · tokens.

    layer_steps: updates · (1 + layers), for a device works through one layer after the other, and then updates.
    stack: how many runs like this one pay in one step of a GPU.
    """

    layer_steps: float
    tokens: float
    flops: float
    stack: int = MOST


@dataclass(frozen=True)
class DeviceUsage:
    """How a kind of device is used. stack: how many runs of a cell are trained in one step at most.

    Seconds: start: of a job before it has its data. compiling: of the step of a stack. measuring: of a run.
    """

    stack: int
    start: float
    compiling: float
    measuring: float

    @property
    def until_first_step(self) -> float:
        """Seconds of a job."""
        return self.start + self.compiling


# an H100's, by docs/speed.md, but for measuring, which is guessed; and of two cores, the median of the published runs
GPU = DeviceUsage(stack=MOST, start=10.0, compiling=25.0, measuring=5.0)
CPU = DeviceUsage(stack=1, start=4.0, compiling=0.0, measuring=0.1)


@dataclass(frozen=True)
class Rates:
    """Seconds for each layer of each update, for each token and for each operation on a device.

    spread: of the logarithm of actual over predicted seconds, over runs left out of the fit. runs: how many there were.
    """

    device: str
    per_layer_step: float
    per_token: float
    per_flop: float
    spread: float
    runs: int
    habit: DeviceUsage

    def seconds(self, work: TrainingWork) -> float:
        """Of the steps of a run."""
        return self.per_layer_step * work.layer_steps + self.arithmetic(work)

    def arithmetic(self, work: TrainingWork) -> float:
        """Of its tokens and operations alone."""
        return self.per_token * work.tokens + self.per_flop * work.flops

    def stack_seconds(self, work: TrainingWork, left: Sequence[float]) -> float:
        """Of the steps of a stack. work: of a whole run. left: of each run, the share that is not trained yet.

        The layers of one run, until the last one ends, and the tokens and operations of all.
        """
        return max(left) * self.per_layer_step * work.layer_steps + sum(left) * self.arithmetic(work)

    def factor(self) -> float:
        """By which nine runs of ten take no longer, and no shorter, than predicted."""
        return math.exp(HELD_OUT * self.spread)


def training_work(run: Run, n_parameters: float) -> TrainingWork:
    """What training a run takes, with 6 · parameters operations a token."""
    model, recipe = run.architecture, run.recipe
    tokens = training_words(run.dataset, recipe)
    steps = tokens / recipe.batch_size / recipe.window
    layers = getattr(model, "layers", LAYERS)
    stack = 1  # of a model from elsewhere too: whether it can be stacked shows when it is trained
    if isinstance(model, Architecture) and not recipe.unstackable_reason:
        stack = worthwhile_size(recipe.batch_size, recipe.window, model.width)
    return TrainingWork((1 + layers) * steps, tokens, 6.0 * n_parameters * tokens, stack)


def stack_size(work: TrainingWork, rates: Rates) -> int:
    """How many runs of a cell are trained in one step on a device, at most."""
    return min(work.stack, rates.habit.stack)


def cell_seconds(work: TrainingWork, left: Sequence[float], rates: Rates) -> float:
    """Of a job that trains runs of one cell, in stacks one after the other, whose step is compiled once.

    work: of a whole run. left: for each run, the share of it that is not trained yet, above 0.
    """
    habit, size = rates.habit, even_size(len(left), stack_size(work, rates))
    stacks = [left[first : first + size] for first in range(0, len(left), size)]
    compiling = habit.compiling * (1 if size > 1 else len(left))
    return habit.start + compiling + sum(rates.stack_seconds(work, stack) for stack in stacks)
