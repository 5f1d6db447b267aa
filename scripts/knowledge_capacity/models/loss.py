"""The loss of a model on windows of tokens, by the cheapest way that the model allows."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import ops, stacked_loss
from .decoder import Decoder


class Loss(NamedTuple):
    """nats: the sum over targets that are not ignored, a float32 scalar. extra: router losses of a mixture of
    experts, to be added to the mean loss. routing (2,): the fraction of choices that experts dropped, and the
    load of the busiest expert over the mean load; None for models without experts. Of several replicas, all have
    an axis of replicas in front.
    """

    nats: Tensor
    extra: Tensor | None = None
    routing: Tensor | None = None


def loss(model: nn.Module, inputs: Tensor, targets: Tensor) -> Loss:
    """The loss of predicting targets from inputs, int64 (batch, window) each; targets of -100 are ignored.

    Of a decoder with the weights of several replicas, both are (replicas, batch, window).
    """
    if isinstance(model, Decoder):
        hidden, routing = model.hidden(inputs)
        entropy = stacked_loss.linear_cross_entropy if inputs.dim() == 3 else ops.linear_cross_entropy
        nats = entropy(hidden.flatten(-3, -2), model.head_weight, targets.flatten(-2))
        return Loss(nats) if routing is None else Loss(nats, routing[..., 0], routing[..., 1:].detach())
    return Loss(F.cross_entropy(logits(model, inputs).flatten(0, 1), targets.flatten(), reduction="sum"))


@torch.inference_mode()
def losses_at(model: Callable[[Tensor], Any], inputs: Tensor, targets: Tensor, where: Tensor) -> Tensor:
    """The losses in nats, float32 (n,), of the n targets at which `where` holds, in row order.

    inputs, targets int64 (batch, window); where bool (batch, window). A decoder makes logits at those alone.
    """
    if isinstance(model, Decoder):
        hidden, _ = model.hidden(inputs)
        return ops.row_cross_entropy(hidden[where], model.head_weight, targets[where])
    return F.cross_entropy(logits(model, inputs)[where], targets[where], reduction="none")


def logits(model: Callable[[Tensor], Any], inputs: Tensor) -> Tensor:
    """Logits (batch, window, vocabulary) in float32, of a module that gives them or a transformers output."""
    found = model(inputs)
    found = getattr(found, "logits", found)
    return found.float()
