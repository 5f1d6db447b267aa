"""Training one run: the whole stream once, first token to last, or as many updates as the recipe says."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from ..data.stream import Stream
from ..data.windows import IGNORED, Windows
from ..files import UserError
from ..models.build import build
from ..models.experts import Mixture
from ..specs import Run
from . import checkpoint, qat
from .parallel import ALONE, Team
from .schedule import learning_rate
from .step import Precision, Step, chosen_precision

LOG_POINTS = 200
GO_ON, SAVE, STOP = 0, 1, 2  # what a process wants after a step; the most of all processes' is done


@dataclass
class Trained:
    """What a run leaves: the model, what it cost, how it was trained, and its log.

    used_tokens: how many tokens were ever a target. engine: how steps were run, see `step.Step`.
    routing_dropped: of a mixture of experts, the fraction of choices dropped, over the whole run.
    """

    model: nn.Module
    steps: int
    tokens: int
    seconds: float
    used_tokens: int
    log: list[dict[str, float]]
    engine: str
    precision: Precision
    routing_dropped: float | None


class Stopped(Exception):
    """Training was asked to stop, and its progress is saved."""


class Diverged(UserError):
    """The run cannot come to anything: its loss or its weights are no numbers, or its loss exploded."""

    def __init__(self, run: Run, reason: str, trained: Trained) -> None:
        super().__init__(
            f"{run.slug}: {reason}. Training diverged; lower lr (now {run.recipe.lr:g}) or raise "
            f"warmup_steps (now {run.recipe.warmup_steps})."
        )
        self.reason, self.trained = reason, trained


def train(
    run: Run,
    stream: Stream,
    vocabulary: int,
    save_to: Path,
    identity: str,
    save_every: float = 60.0,
    device: str = "cpu",
    report: Callable[[dict[str, float]], None] = lambda point: None,
    say: Callable[[str], None] = lambda line: None,
    stop: Callable[[], bool] = lambda: False,
    team: Team = ALONE,
) -> Trained:
    """Train one run, going on from the checkpoint at `save_to` where there is one of the same identity.

    vocabulary: rows of the embedding. save_every: seconds between checkpoints. report: called about
    LOG_POINTS times with a log point {step, tokens, expected_tokens, loss (nats per token), lr, seconds,
    tokens_per_second (since the last point)}, and for a mixture of experts {routing_dropped (fraction of
    choices), routing_load (of the busiest expert over the mean)}. say: told from which step training goes on,
    and what a model refuses. stop: asked after every step; when true, a checkpoint is written and Stopped
    raised. team: the processes that train it together; all call this, and only the first one saves.

    Raises Diverged when the loss or the weights are no longer numbers, or when, after the warm-up, the mean
    loss between two points of the log is above that of two uniform guesses, 2 ln(vocabulary).
    """
    recipe = run.recipe
    if recipe.batch_size < team.size:
        raise UserError(
            f"{run.slug}: batch_size {recipe.batch_size} is less than one window for each of {team.size} "
            "processes. Use fewer processes."
        )
    model = build(run.architecture, vocabulary, recipe.window, run.seed).to(device).train()
    precision = chosen_precision(recipe.precision, device)
    step = Step(model, recipe, precision, team.size, lambda refused: say(f"{run.slug}: {refused}"))
    identity = f"{identity} {precision}"
    progress = checkpoint.load(save_to, identity, model, step.optimizers, step.scaler)
    if not progress or not team.first:
        torch.manual_seed(run.seed + team.rank)  # for models that draw while they train, as dropout does
    if progress:
        say(f"{run.slug}: going on from step {progress.step}")
        progress.seen = progress.seen.to(device)
        progress.sums = step.sums.copy_(progress.sums)
    else:
        progress = checkpoint.Progress(torch.zeros(vocabulary, dtype=torch.bool, device=device), step.sums)

    exposures = None if recipe.steps else recipe.exposures
    windows = Windows(stream, exposures, recipe.batch_size, recipe.window, progress.cursor)
    size = recipe.batch_size * recipe.window
    expected_tokens = recipe.steps * size if recipe.steps else windows.expected_tokens
    steps = recipe.steps or math.ceil(expected_tokens / size)
    log_every = max(1, steps // LOG_POINTS)
    has_experts = any(isinstance(module, Mixture) for module in model.modules())
    agreed = team.agreement()
    began, saved = time.monotonic() - progress.seconds, time.monotonic()

    def trained() -> Trained:
        progress.seconds = time.monotonic() - began
        dropped = (progress.dropped + float(step.sums[1])) / max(1, progress.step) if has_experts else None
        return Trained(
            model,
            progress.step,
            progress.tokens,
            progress.seconds,
            int(progress.seen.sum()),
            progress.log,
            step.engine,
            precision,
            dropped,
        )

    while progress.step != recipe.steps and (batch := windows.next()) is not None:
        inputs, targets = (part.to(device, non_blocking=True) for part in batch)
        real = targets.flatten()
        if windows.ended:
            real = real[real != IGNORED]
        lr = learning_rate(progress.step, steps, recipe.lr, recipe.warmup_steps)
        step(team.rows(inputs), team.rows(targets), len(real), lr)
        progress.seen.index_fill_(0, real, True)
        progress.tokens += len(real)
        progress.step += 1
        progress.n_sums += 1

        if progress.step % log_every == 0:
            team.mean(step.sums)
            progress.seconds = time.monotonic() - began
            point = _point(progress, step.sums.tolist(), expected_tokens, lr, has_experts)
            progress.log.append(point)
            if symptom := _symptom(point, vocabulary, recipe.warmup_steps):
                raise Diverged(run, f"{symptom} at step {progress.step} of about {steps}", trained())
            progress.dropped += float(step.sums[1])
            step.sums.zero_()
            progress.n_sums = 0
            report(point)
        wanted = STOP if stop() else SAVE if time.monotonic() - saved > save_every else GO_ON
        wanted = agreed(wanted)
        if wanted != GO_ON:
            team.mean(step.sums)
            progress.cursor, progress.seconds = windows.cursor(), time.monotonic() - began
            if team.first:
                checkpoint.save(save_to, identity, progress, model, step.optimizers, step.scaler)
            saved = time.monotonic()
        if wanted == STOP:
            team.wait()  # none ends before the progress of all is on disk
            raise Stopped(f"{run.slug}: stopped at step {progress.step} of about {steps}; progress is saved.")
    team.mean(step.sums)
    if recipe.qat:
        qat.bake(model, recipe.qat)
    if not all(bool(p.isfinite().all()) for p in model.parameters()):  # since the last point of the log
        reason = f"weights are NaN or infinite at step {progress.step} of about {steps}"
        raise Diverged(run, reason, trained())
    return trained()


def _point(
    progress: checkpoint.Progress, sums: list[float], expected_tokens: float, lr: float, has_experts: bool
) -> dict[str, float]:
    """A point of the log; `train` says what it holds."""
    last = progress.log[-1] if progress.log else {"tokens": 0, "seconds": 0.0}
    loss, dropped, load = (total / progress.n_sums for total in sums)
    passed = max(1e-9, progress.seconds - last["seconds"])
    return {
        "step": progress.step,
        "tokens": progress.tokens,
        "expected_tokens": expected_tokens,
        "loss": loss,
        "lr": lr,
        "seconds": progress.seconds,
        "tokens_per_second": (progress.tokens - last["tokens"]) / passed,
        **({"routing_dropped": dropped, "routing_load": load} if has_experts else {}),
    }


def _symptom(point: dict[str, float], vocabulary: int, warmup_steps: int) -> str | None:
    """What is wrong with the loss of a point of the log, or None.

    Models that start out with large logits are above any bound at first, so it holds after the warm-up only.
    """
    loss = point["loss"]
    if not math.isfinite(loss):
        return f"the loss is {loss}"
    if point["step"] > warmup_steps and loss > 2 * math.log(vocabulary):
        return f"the loss is {loss:.3g} nats a token, more than twice that of a uniform guess,"
    return None
