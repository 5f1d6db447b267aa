"""Training one run: the whole stream once, from first token to last."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from ..data.stream import Stream
from ..data.windows import IGNORED, Cursor, Windows
from ..files import UserError
from ..models.build import build
from ..models.loss import loss as loss_of
from ..specs import Run
from . import checkpoint
from .schedule import learning_rate

BETAS = (0.9, 0.98)  # not stated in the paper; these and eps are those of its sibling papers
EPS = 1e-6
LOG_POINTS = 200


class Stopped(Exception):
    """Training was asked to stop, and its progress is saved."""


@dataclass
class Trained:
    """What a finished run leaves: the model, what it cost, and its log."""

    model: nn.Module
    steps: int
    tokens: int
    seconds: float
    used_tokens: int
    log: list[dict[str, float]]


def train(
    run: Run,
    stream: Stream,
    vocabulary: int,
    save_to: Path,
    identity: str,
    save_every: float = 60.0,
    device: str = "cpu",
    report: Callable[[dict[str, float]], None] = lambda point: None,
    resumed: Callable[[int], None] = lambda step: None,
    stop: Callable[[], bool] = lambda: False,
) -> Trained:
    """Train one run, going on from the checkpoint at `save_to` where there is one of the same identity.

    vocabulary: rows of the embedding. save_every: seconds between checkpoints. report: called about
    LOG_POINTS times with a log point {step, tokens, expected_tokens, loss (nats per token), lr, seconds}.
    resumed: called with the step of the checkpoint, where there is one. stop: asked after every step; when
    true, a checkpoint is written and Stopped raised. Raises UserError when the loss or the weights are no
    longer numbers.
    """
    recipe = run.recipe
    model = build(run.architecture, vocabulary, recipe.window, run.seed).to(device)
    decayed = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}],
        lr=recipe.lr,
        betas=BETAS,
        eps=EPS,
        fused=True,
    )
    progress = checkpoint.load(save_to, identity, model, optimizer) or checkpoint.Progress(
        step=0,
        tokens=0,
        seconds=0.0,
        cursor=Cursor(),
        seen=torch.zeros(vocabulary, dtype=torch.bool),
        losses=torch.zeros(()),
        n_losses=0,
        log=[],
    )
    progress.losses = progress.losses.to(device)
    if progress.step:
        resumed(progress.step)
    progress.seen = progress.seen.to(device)
    windows = Windows(stream, recipe.exposures, recipe.batch_size, recipe.window, progress.cursor)
    expected_tokens = windows.expected_tokens
    steps = math.ceil(expected_tokens / (recipe.batch_size * recipe.window))
    log_every = max(1, steps // LOG_POINTS)
    autocast = torch.autocast(device, dtype=torch.bfloat16, enabled=device != "cpu")
    began, saved = time.monotonic() - progress.seconds, time.monotonic()

    while (batch := windows.next()) is not None:
        inputs, targets = (part.to(device, non_blocking=True) for part in batch)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(progress.step, steps, recipe.lr, recipe.warmup_steps)
        with autocast:
            found = loss_of(model, inputs, targets)
            loss = found.nats / (targets != IGNORED).sum()
            if found.extra is not None:
                loss = loss + found.extra
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

        real = targets[targets != IGNORED]
        progress.seen[real] = True
        progress.tokens += len(real)
        progress.step += 1
        progress.losses = progress.losses + loss.detach()
        progress.n_losses += 1
        if progress.step % log_every == 0:
            progress.seconds = time.monotonic() - began
            point = {
                "step": progress.step,
                "tokens": progress.tokens,
                "expected_tokens": expected_tokens,
                "loss": float(progress.losses) / progress.n_losses,
                "lr": optimizer.param_groups[0]["lr"],
                "seconds": progress.seconds,
            }
            if not math.isfinite(point["loss"]):
                raise _diverged(run, f"the loss is {point['loss']}", progress.step, steps)
            progress.log.append(point)
            progress.losses, progress.n_losses = torch.zeros((), device=device), 0
            report(point)
        stopping = stop()
        if stopping or time.monotonic() - saved > save_every:
            progress.cursor, progress.seconds = windows.cursor(), time.monotonic() - began
            checkpoint.save(save_to, identity, progress, model, optimizer)
            saved = time.monotonic()
            if stopping:
                raise Stopped(
                    f"{run.slug}: stopped at step {progress.step} of about {steps}; progress is saved."
                )
    if not all(bool(p.isfinite().all()) for p in model.parameters()):  # since the last point of the log
        raise _diverged(run, "weights are NaN or infinite", progress.step, steps)
    progress.seconds = time.monotonic() - began
    used = int(progress.seen.sum())
    return Trained(model, progress.step, progress.tokens, progress.seconds, used, progress.log)


def _diverged(run: Run, symptom: str, step: int, steps: int) -> UserError:
    return UserError(
        f"{run.slug}: {symptom} at step {step} of about {steps}. Training diverged; lower lr (now "
        f"{run.recipe.lr:g}) or raise warmup_steps (now {run.recipe.warmup_steps})."
    )
