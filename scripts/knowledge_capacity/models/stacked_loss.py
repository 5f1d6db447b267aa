"""The loss of several replicas of a model, each with its own head."""

import functools
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from . import ops


def linear_cross_entropy(hidden: Tensor, weight: Tensor, targets: Tensor, ignored: int = -100) -> Tensor:
    """`ops.linear_cross_entropy` of each replica, float32 (replicas,); gradients are made with it, wanted or not.

    hidden (replicas, n, width), weight (replicas, V, width), targets int64 (replicas, n).
    """
    return _LinearCrossEntropy.apply(hidden, weight, targets, ignored)


class _LinearCrossEntropy(Function):
    """Works on a few replicas at a time, or on a few rows of one, and so on as much memory as one model needs."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, ignored: int) -> Tensor:
        ctx.dtypes = hidden.dtype, weight.dtype
        hidden, weight = ops.autocast_operands(hidden, weight)
        replicas, n, _ = hidden.shape
        size = weight.shape[1]
        rows = ops.rows_at_once(replicas * n, size, hidden.device.type)
        weight = ops.pad_rows(weight)
        some = [x.split(max(1, rows // n)) for x in (hidden, weight, targets)]
        losses, of_hidden, of_weight = [], [], []
        for inputs, head, wanted in zip(*some, strict=True):
            parts = zip(inputs.split(rows, dim=1), wanted.split(rows, dim=1), strict=True)
            found = [_differentiate_loss(part, head, each, ignored, size) for part, each in parts]
            losses += [one[0] for one in found]
            of_hidden += [one[1] for one in found]
            of_weight.append(functools.reduce(torch.add, [one[2] for one in found]))
        ctx.save_for_backward(torch.cat(of_hidden).view_as(hidden), torch.cat(of_weight)[:, :size])
        return torch.cat(losses).view_as(targets).sum(dim=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        of_hidden, of_weight = (
            (x * grad[:, None, None]).to(dtype)
            for x, dtype in zip(ctx.saved_tensors, ctx.dtypes, strict=True)
        )
        return of_hidden, of_weight, None, None


def _differentiate_loss(
    hidden: Tensor, weight: Tensor, targets: Tensor, ignored: int, size: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Losses (r·n,) of r replicas, and gradients of hidden (r·n, width) and, in float32, of weight."""
    logits = hidden @ weight.mT
    # one long column of rows, which compilers make one pass of, as they do with one model
    gradient, losses = ops.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignored, True, size)
    gradient = gradient.view_as(logits)
    return losses, (gradient @ weight).flatten(0, 1), (gradient.mT @ hidden).float()
