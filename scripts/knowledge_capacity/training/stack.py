"""Training several runs at once: a stack of replicas, all of which make their next step at the same time.

Each run has its own people, order, wording, initial weights, learning rate, log and checkpoint, and comes out as if
it were alone, to rounding. Runs may stand at different steps; where one ends, the next one takes its place.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ..data.stream import Stream
from ..data.windows import IGNORED
from ..files import UserError
from ..models.build import build_run_model
from ..models.experts import Mixture
from ..specs import Recipe, Run
from . import checkpoint
from . import optimizers as optim
from .course import Course, Point, TrainingDiverged, TrainingResult, TrainingStopped
from .replicas import Replicas
from .stackable import idle_parameters
from .stacked_step import StackedStep
from .step import chosen_precision

# steps between two looks at the clock, at losses, and at whether to stop: as many as make so many tokens, up to most
TOKENS_AHEAD = 1 << 22
MOST_STEPS = 256


@dataclass(frozen=True)
class Member:
    """A run to be trained in a stack. open_stream: called when its turn has come. save_to, identity: of its
    checkpoint, as `loop.train` takes them.
    """

    run: Run
    open_stream: Callable[[], Stream]
    save_to: Path
    identity: str


# what became of a run: Diverged is among the exceptions, and others say what kept it from beginning
Outcome = TrainingResult | Exception


def train_stack(
    members: Sequence[Member],
    vocabulary: int,
    size: int,
    save_every: float = 60.0,
    device: str = "cpu",
    report: Callable[[Run, Point, int], None] = lambda run, point, at_once: None,
    say: Callable[[str], None] = lambda line: None,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[tuple[Member, Outcome]]:
    """Train runs, up to `size` of them at once, and give each with what became of it as soon as it ends.

    The runs are of one shape (see `stack_shape`). report: told how many runs share the steps of a point. The rest is as
    `loop.train` has it, but that `stop` is asked every TOKENS_AHEAD tokens or MOST_STEPS steps, and that the seconds
    of a run are its share of those that the stack took, so that its tokens per second are those of all. Raises
    Stopped once the progress of all is saved, and UserError for runs that differ in shape.
    """
    for member in members:
        if stack_shape(member.run) != stack_shape(members[0].run):
            raise UserError(
                f"{member.run.slug} cannot be trained in one step with {members[0].run.slug}: the runs of a stack "
                "may differ in dataset, seed, learning rate and length alone."
            )
    waiting = deque(members)
    stack = _Stack(members[0].run, vocabulary, min(size, len(members)), device, say)
    saved = time.monotonic()
    while True:
        for place, seat in enumerate(stack.seats):
            while seat is None and waiting:
                member = waiting.popleft()
                try:
                    seat = stack.seat(place, member)
                except Exception as error:  # what keeps one run from beginning does not keep the others
                    yield member, error
        if not any(stack.seats):
            return
        yield from stack.advance(report)
        stopping = stop() and any([*stack.seats, *waiting])
        if stopping or time.monotonic() - saved > save_every:
            stack.save()
            saved = time.monotonic()
        if stopping:
            left = sum(seat is not None for seat in stack.seats) + len(waiting)
            raise TrainingStopped(
                f"{members[0].run.slug} and others: stopped with {left} runs to go; progress is saved."
            )


def stack_shape(run: Run) -> tuple[object, ...]:
    """What the runs of a stack have in common, beside their vocabulary."""
    r = run.recipe
    same = replace(
        r, exposures=1, steps=None, lr=1.0, warmup_steps=0, junk=None, final_lr=0.0, head_start=None
    )
    return run.architecture, same


def steps_ahead(size: int, recipe: Recipe) -> int:
    """How many steps a stack of this size makes between two looks at its losses."""
    return max(1, min(MOST_STEPS, TOKENS_AHEAD // (size * recipe.batch_size * recipe.window)))


@dataclass
class _Seat:
    """A run in its place in the stack, and its next steps: their targets, and how many of each count.

    at_once: the most runs that have shared its steps.
    """

    member: Member
    course: Course
    at_once: int = 1
    targets: Tensor | None = None
    counts: Sequence[int] = ()


class _Stack:
    """The replicas, and which run sits in which place."""

    def __init__(self, run: Run, vocabulary: int, size: int, device: str, say: Callable[[str], None]) -> None:
        """run: one of those to be trained."""
        self._vocabulary, self._device, self._say = vocabulary, device, say
        self._precision = chosen_precision(run.recipe.precision, device)
        model = self._build(run)
        self._has_experts = any(isinstance(module, Mixture) for module in model.modules())
        self._replicas = Replicas(model, size, run.recipe, idle_parameters(model, run, vocabulary))
        self._most = steps_ahead(size, run.recipe)
        self._step = StackedStep(
            self._replicas, run.recipe, self._precision, self._most, lambda line: say(f"{run.slug}: {line}")
        )
        self.seats: list[_Seat | None] = [None] * size

    def seat(self, place: int, member: Member) -> "_Seat":
        """Let a run begin in a place that is free, or go on from its checkpoint."""
        run = member.run
        model = self._build(run)
        optimizers = optim.make_optimizers(model, run.recipe)
        progress = checkpoint.load_checkpoint(member.save_to, self._identity(member), model, optimizers)
        if progress:
            self._say(f"{run.slug}: going on from step {progress.step}")
            progress.seen = progress.seen.to(self._device)
        else:
            seen = torch.zeros(self._vocabulary, dtype=torch.bool, device=self._device)
            progress = checkpoint.Progress(seen, torch.zeros(3, dtype=torch.float64))
        self._replicas.put(place, model, optimizers[0])
        course = Course(run, member.open_stream(), self._vocabulary, progress, self._has_experts)
        seat = self.seats[place] = _Seat(member, course)
        return seat

    def advance(
        self, report: Callable[[Run, Point, int], None]
    ) -> Iterator[tuple[Member, TrainingResult | TrainingDiverged]]:
        """Make the next steps of all runs. Gives those that ended, whose places are free from then on."""
        began = time.monotonic()
        seated = [(place, seat) for place, seat in enumerate(self.seats) if seat]
        for place, seat in seated:
            self._lay_out(place, seat)
            seat.at_once = max(seat.at_once, len(seated))
        sums = self._run(max(len(seat.counts) for _, seat in seated))
        seconds = (time.monotonic() - began) / len(seated)
        for place, seat in seated:
            outcome = self._settle(
                place, seat, sums[:, place], seconds, lambda run, point: report(run, point, len(seated))
            )
            if outcome:
                self.seats[place] = None
                yield seat.member, outcome

    def save(self) -> None:
        """Write the checkpoint of every run in the stack."""
        for place, seat in enumerate(self.seats):
            if seat:
                seat.course.progress.cursor = seat.course.windows.cursor()
                path, identity = seat.member.save_to, self._identity(seat.member)
                checkpoint.save_checkpoint(path, identity, seat.course.progress, *self._taken(place, seat))

    def _lay_out(self, place: int, seat: _Seat) -> None:
        """Put the next batches of a run where the step reads them."""
        recipe, done = seat.member.run.recipe, seat.course.progress.step
        most = min(self._most, recipe.steps - done) if recipe.steps else self._most
        inputs, seat.targets = seat.course.windows.take(most)
        seat.counts = [recipe.batch_size * recipe.window] * len(inputs)
        if seat.counts and seat.course.windows.ended:
            seat.counts[-1] = int((seat.targets[-1] != IGNORED).sum())
        rates = [seat.course.rate(done + i) for i in range(len(inputs))]
        self._step.fill(place, inputs, seat.targets, seat.counts, rates)

    def _run(self, steps: int) -> Tensor:
        try:
            return self._step.run(steps)
        except torch.OutOfMemoryError as error:
            raise UserError(
                f"stack: {len(self.seats)} runs at once do not fit into the memory of the GPU. Train fewer (--stack "
                f"{max(1, len(self.seats) // 2)}), or see what else uses it (nvidia-smi)."
            ) from error

    def _settle(
        self, place: int, seat: _Seat, sums: Tensor, seconds: float, report: Callable[[Run, Point], None]
    ) -> TrainingResult | TrainingDiverged | None:
        """Note down the steps just made, of which sums (steps, 3) tell; what became of the run, if it has ended."""
        run, course, progress, n = seat.member.run, seat.course, seat.course.progress, len(seat.counts)
        done, symptom = 0, None
        while done < n and not symptom:
            now = slice(done, min(n, done + course.log_every - progress.step % course.log_every))
            done = now.stop
            course.count(now.stop - now.start, sum(seat.counts[now]))
            progress.seconds += seconds * (now.stop - now.start) / n
            progress.sums += sums[now].sum(dim=0)
            if progress.step % course.log_every == 0:
                point = course.add_point(progress.sums.tolist())
                progress.sums.zero_()
                symptom = course.symptom()
                if not symptom:
                    report(run, point)
        if seat.targets is not None:
            real = seat.targets[:done].flatten().to(self._device)
            progress.seen.index_fill_(0, real[real != IGNORED] if course.windows.ended else real, True)
        ended = course.windows.ended or progress.step == run.recipe.steps
        if not symptom and not ended:
            return None
        model, _ = self._taken(place, seat)
        trained = course.trained(model, self._step.engine, self._precision, seat.at_once)
        if not symptom and not all(bool(p.isfinite().all()) for p in model.parameters()):
            symptom = f"weights are NaN or infinite {course.where()}"
        return TrainingDiverged(run, symptom, trained) if symptom else trained

    def _taken(self, place: int, seat: _Seat) -> tuple[nn.Module, list[Optimizer]]:
        """The model and the optimiser of a run, as they would be if it were alone."""
        model = self._build(seat.member.run)
        optimizers = optim.make_optimizers(model, seat.member.run.recipe)
        self._replicas.take(place, model, optimizers[0])
        return model, optimizers

    def _build(self, run: Run) -> nn.Module:
        return build_run_model(run, self._vocabulary).to(self._device).train()

    def _identity(self, member: Member) -> str:
        return f"{member.identity} {self._precision}"
