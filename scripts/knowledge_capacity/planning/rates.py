"""The work of training a run, and the seconds that it takes on a device (`cost` learns them, `asked` asks for them)."""

import math
from dataclasses import dataclass

from ..data.lengths import training_words
from ..specs import Run

HELD_OUT = 1.645  # spreads: 90 % of runs lie within


@dataclass(frozen=True)
class Work:
    """What a run has to do. steps: updates. tokens: of all updates. flops: 6 · parameters · tokens."""

    steps: float
    tokens: float
    flops: float


@dataclass(frozen=True)
class Rates:
    """Seconds for each update, token and operation on a device.

    spread: of the logarithm of actual over predicted seconds, over runs left out of the fit. runs: how many there were.
    """

    device: str
    per_step: float
    per_token: float
    per_flop: float
    spread: float
    runs: int

    def seconds(self, work: Work) -> float:
        """Of training."""
        return self.per_step * work.steps + self.per_token * work.tokens + self.per_flop * work.flops

    def factor(self) -> float:
        """By which nine runs of ten take no longer, and no shorter, than predicted."""
        return math.exp(HELD_OUT * self.spread)


def work_of(run: Run, n_parameters: float) -> Work:
    """What training a run takes, with 6 · parameters operations a token."""
    tokens = training_words(run.dataset, run.recipe)
    return Work(tokens / run.recipe.batch_size / run.recipe.window, tokens, 6.0 * n_parameters * tokens)
