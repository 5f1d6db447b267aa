"""The course of one run, whoever makes its steps: its batches, its learning rate, its log, and what came out."""

import math
from dataclasses import dataclass, field

from torch import Tensor, nn

from ..data.stream import Stream
from ..data.windows import Windows
from ..files import UserError
from ..specs import Run
from .checkpoint import Progress
from .schedule import learning_rate
from .snapshots import Snapshots
from .step import Precision

LOG_POINTS = 200

Point = dict[str, float]


@dataclass
class TrainingResult:
    """What a run leaves: the model, what it cost, how it was trained, and its log.

    used_tokens: how many tokens were ever a target. engine: how steps were run, see `step.Step`.
    routing_dropped: of a mixture of experts, the fraction of choices dropped, over the whole run. at_once: how many
    runs shared its steps, each of which has its share of their seconds; the most since it last went on. snapshots: as
    `Progress` has them. trained_parameters: P of an adapter, where not the model was trained.
    """

    model: nn.Module
    steps: int
    tokens: int
    seconds: float
    used_tokens: int
    log: list[Point]
    engine: str
    precision: Precision
    routing_dropped: float | None
    at_once: int = 1
    snapshots: dict[str, Tensor] = field(default_factory=dict)
    trained_parameters: int | None = None


class TrainingStopped(Exception):
    """Training was asked to stop, and its progress is saved."""


class TrainingDiverged(UserError):
    """The run cannot come to anything: its loss or its weights are no numbers, or its loss exploded."""

    def __init__(self, run: Run, reason: str, trained: TrainingResult) -> None:
        super().__init__(
            f"{run.slug}: {reason}. Training diverged; lower lr (now {run.recipe.lr:g}) or raise "
            f"warmup_steps (now {run.recipe.warmup_steps})."
        )
        self.reason, self.trained = reason, trained


class Course:
    """A run on its way through its stream.

    windows: its batches. steps: how many updates it takes, about. snapshots: those of its recipe. log_every: updates
    between two points of the log. progress: how far it is; `count` and `add_point` keep its steps, tokens and log, and
    who steps the rest.
    """

    def __init__(
        self, run: Run, stream: Stream, vocabulary: int, progress: Progress, has_experts: bool
    ) -> None:
        """progress: where to go on. has_experts: whether steps tell of the routing of experts."""
        self.run, self.progress, self._vocabulary, self._has_experts = run, progress, vocabulary, has_experts
        recipe = run.recipe
        exposures = None if recipe.steps else recipe.exposures
        self.windows = Windows(stream, exposures, recipe.batch_size, recipe.window, progress.cursor)
        size = recipe.batch_size * recipe.window
        self.expected_tokens = recipe.steps * size if recipe.steps else self.windows.expected_tokens
        self.steps = recipe.steps or math.ceil(self.expected_tokens / size)
        self._own_steps = self.steps  # without those of other people afterwards
        if recipe.afterwards:
            own_tokens = recipe.exposures * stream.dataset.n_people * self.windows.mean_length
            self._own_steps = math.ceil(own_tokens / size)
        self.snapshots = Snapshots(recipe, self._own_steps, self.steps, progress.snapshots)
        self.log_every = max(1, self.steps // LOG_POINTS)

    def rate(self, step: int) -> float:
        """The learning rate of update number `step`, from 0."""
        recipe = self.run.recipe
        if recipe.afterwards and step >= self._own_steps:
            return recipe.afterwards.lr or recipe.final_lr * recipe.lr
        return learning_rate(step, self._own_steps, recipe.lr, recipe.warmup_steps, recipe.final_lr)

    def averages(self) -> bool:
        """Whether the weights as they are now belong to the average that the recipe asks for."""
        return (
            self.progress.step >= (1 - self.run.recipe.average) * self.steps and self.run.recipe.average > 0
        )

    def count(self, steps: int, tokens: int) -> None:
        """Note that so many updates were made, on so many targets."""
        self.progress.step += steps
        self.progress.n_sums += steps
        self.progress.tokens += tokens

    def add_point(self, sums: list[float]) -> Point:
        """Add a point to the log; `loop.train` says what it holds. sums: as in `Progress`."""
        progress = self.progress
        last = progress.log[-1] if progress.log else {"tokens": 0, "seconds": 0.0}
        loss, dropped, load = (total / progress.n_sums for total in sums)
        passed = max(1e-9, progress.seconds - last["seconds"])
        point = {
            "step": progress.step,
            "tokens": progress.tokens,
            "expected_tokens": self.expected_tokens,
            "loss": loss,
            "lr": self.rate(progress.step - 1),
            "seconds": progress.seconds,
            "tokens_per_second": (progress.tokens - last["tokens"]) / passed,
            **({"routing_dropped": dropped, "routing_load": load} if self._has_experts else {}),
        }
        progress.log.append(point)
        progress.dropped += sums[1]
        progress.n_sums = 0
        return point

    def symptom(self) -> str | None:
        """What is wrong with the loss of the last point of the log, or None.

        Models that start out with large logits are above any bound at first, so it holds after the warm-up only.
        """
        point = self.progress.log[-1]
        loss = point["loss"]
        if not math.isfinite(loss):
            return f"the loss is {loss} {self.where()}"
        if point["step"] > self.run.recipe.warmup_steps and loss > 2 * math.log(self._vocabulary):
            than = "more than twice that of a uniform guess"
            return f"the loss is {loss:.3g} nats a token, {than}, {self.where()}"
        return None

    def where(self) -> str:
        return f"at step {self.progress.step} of about {self.steps}"

    def trained(
        self, model: nn.Module, engine: str, precision: Precision, at_once: int = 1
    ) -> TrainingResult:
        """What the run leaves, as it stands."""
        progress = self.progress
        dropped = (progress.dropped + float(progress.sums[1])) / max(1, progress.step)
        return TrainingResult(
            model,
            progress.step,
            progress.tokens,
            progress.seconds,
            int(progress.seen.sum()),
            progress.log,
            engine,
            precision,
            dropped if self._has_experts else None,
            at_once,
            progress.snapshots,
        )
