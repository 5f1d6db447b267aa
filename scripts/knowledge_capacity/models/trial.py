"""Trying out a model from elsewhere before hours are spent on it."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from ..files import UserError
from .build import token_weights
from .loss import logits, loss

SHAKE = 0.1  # a fresh model can hide what it does: some begin with layers that add nothing to the stream
SAME = 1e-4  # of the largest logit: more than rounding, less than one token among hundreds


def check_model(model: nn.Module, name: str, vocabulary: int, lengths: Iterable[int], trained: bool) -> int:
    """Raise UserError for a model that cannot be trained and measured here. It cannot be used any more.

    name: what the user calls it. lengths: how long the texts are that it must take. trained: whether it is
    already. Returns how many of its parameters no gradient reaches; they count in P nevertheless.
    """
    rows = len(next(token_weights(model), ()))
    device = next(model.parameters(), torch.empty(0)).device
    if rows < vocabulary:
        raise UserError(
            f"{name}: its first torch.nn.Embedding has {rows} rows, not one for each of the dataset's "
            f"{vocabulary} tokens. Embed the tokens with a torch.nn.Embedding, made before any other."
        )
    generator = torch.Generator().manual_seed(0)
    for length in sorted(set(lengths)):
        tokens = torch.randint(vocabulary, (2, length), generator=generator).to(device)
        found = _checked_logits(model.eval(), name, tokens)
        if found.shape != (*tokens.shape, rows if trained else vocabulary):
            raise UserError(
                f"{name}: for token ids of shape {(*tokens.shape,)} it gives logits of shape "
                f"{(*found.shape,)}, not {(*tokens.shape, vocabulary)} (batch, length, vocabulary)."
            )
        if not found.isfinite().all():
            raise UserError(f"{name}: its logits hold NaN or infinity before any training.")
    without = 0 if trained else _count_idle_parameters(model.train(), name, tokens)
    _check_causal(model.eval(), name, tokens, generator)
    return without


def _checked_logits(model: nn.Module, name: str, tokens: Tensor) -> Tensor:
    try:
        return logits(model, tokens)
    except Exception as error:  # the user's code may raise anything
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        shape, remedy = (*tokens.shape,), "Let it take texts of any length up to this one."
        raise UserError(f"{name}: it fails on token ids of shape {shape} ({reason}). {remedy}") from error


def _count_idle_parameters(model: nn.Module, name: str, tokens: Tensor) -> int:
    try:
        loss(model, tokens[:, :-1], tokens[:, 1:]).nats.backward()
    except Exception as error:  # whatever stands in the way of a gradient
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise UserError(f"{name}: no gradient comes back from its loss ({reason}).") from error
    parameters = list(model.parameters())
    without = sum(p.numel() for p in parameters if p.grad is None)
    if without == sum(p.numel() for p in parameters):
        raise UserError(f"{name}: no gradient reaches any of its parameters, so it cannot learn.")
    return without


@torch.no_grad()
def _check_causal(model: nn.Module, name: str, tokens: Tensor, generator: torch.Generator) -> None:
    """Other tokens from a place on leave the logits before it as they were, and those of the other row."""
    for parameter in model.parameters():
        parameter.add_(SHAKE * torch.randn(parameter.shape, generator=generator).to(parameter.device))
    before = _checked_logits(model, name, tokens)
    middle = tokens.shape[1] // 2
    for place in (middle, middle + 1):  # no block of two or more tokens ends at both
        changed = tokens.clone()
        changed[0, place:] = (changed[0, place:] + 1) % (int(tokens.max()) + 1)
        moved = (_checked_logits(model, name, changed) - before).abs() / before.abs().max()
        if moved[0, :place].max() > SAME:
            at = int(moved[0, :place].amax(dim=-1).argmax())
            raise UserError(
                f"{name}: it is not causal: its logits at token {at} change with tokens from {place} on. "
                "It would read the answers. Let each token see itself and earlier ones alone."
            )
        if moved[1].max() > SAME:
            raise UserError(
                f"{name}: its logits for one text change with another text of the batch. Treat each alone."
            )
