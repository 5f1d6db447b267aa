"""The loss of several replicas of a model, each with its own head."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from . import ops


def linear_cross_entropy(hidden: Tensor, weight: Tensor, targets: Tensor, ignored: int = -100) -> Tensor:
    """`ops.linear_cross_entropy` of each replica, float32 (replicas,).

    hidden (replicas, n, width), weight (replicas, V, width), targets int64 (replicas, n).
    """
    differentiate = torch.is_grad_enabled() and (hidden.requires_grad or weight.requires_grad)
    return _LinearCrossEntropy.apply(hidden, weight, targets, ignored, differentiate)


class _LinearCrossEntropy(Function):
    """Works on a few replicas at a time, or on a few rows of one, and so on as much memory as one model needs."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, ignored: int, differentiate: bool
    ) -> Tensor:
        ctx.dtypes = hidden.dtype, weight.dtype
        hidden, weight = ops.autocast(hidden, weight)
        replicas, n, _ = hidden.shape
        rows = ops.rows_at_once(replicas * n, weight.shape[1], hidden.device.type)
        parts = zip(*(x.split(max(1, rows // n)) for x in (hidden, weight, targets)), strict=True)
        found = [_differentiate(h, w, t, min(n, rows), ignored, differentiate) for h, w, t in parts]
        losses, of_hidden, of_weight = (torch.cat(each) for each in zip(*found, strict=True))
        if differentiate:
            ctx.save_for_backward(of_hidden, of_weight)
        return losses

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        of_hidden, of_weight = (
            (x * grad[:, None, None]).to(dtype)
            for x, dtype in zip(ctx.saved_tensors, ctx.dtypes, strict=True)
        )
        return of_hidden, of_weight, None, None, None


def _differentiate(
    hidden: Tensor, weight: Tensor, targets: Tensor, rows: int, ignored: int, differentiate: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """The losses (r,) of r replicas, and the gradients of hidden and, in float32, of weight; so many rows at a time."""
    losses, of_hidden, of_weight = hidden.new_zeros(len(hidden), dtype=torch.float32), [], []
    for part, wanted in zip(hidden.split(rows, dim=1), targets.split(rows, dim=1), strict=True):
        logits, found = ops.cross_entropy(part @ weight.mT, wanted, ignored, differentiate)
        losses = losses + found.sum(dim=1)
        if differentiate:
            of_hidden.append(logits @ weight)
            of_weight.append((logits.mT @ part).float())
    if not differentiate:
        return losses, hidden, weight
    return losses, torch.cat(of_hidden, dim=1), sum(of_weight[1:], of_weight[0])
