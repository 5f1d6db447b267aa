"""A mixture of experts in place of an MLP, with a limit on how many tokens each expert takes.

All shapes are known in advance: tokens are put into (experts, capacity) slots, worked on by one batched
product a layer, and taken back out; tokens that find their expert full add nothing to the stream.
"""

import math

import torch
from torch import Tensor, nn

from ..specs import Architecture
from . import ops


class Product(nn.Module):
    """The inputs of each expert times its matrix: a module, so that hooks can see what every expert reads."""

    def forward(self, x: Tensor, weight: Tensor) -> Tensor:
        """x (experts, n, in), weight (experts, out, in) → (experts, n, out)."""
        return torch.bmm(x, weight.transpose(1, 2))


class Mixture(nn.Module):
    """`number` experts, each an MLP of the architecture's kind, and the router that chooses top_k of them.

    With one choice its output is scaled by the router's probability (Fedus et al. 2021); with more, by the
    probabilities of the chosen ones, made to sum to one (as in Mixtral).
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        parts, width, inner = architecture.parts, architecture.width, architecture.inner_width
        assert parts.experts
        self.spec, self.gated, self.activation = parts.experts, parts.mlp == "gated", parts.activation
        number, first = parts.experts.number, inner * (2 if self.gated else 1)
        self.router = nn.Linear(width, number, bias=False)
        self.inner = nn.Parameter(torch.zeros(number, first, width))
        self.outer = nn.Parameter(torch.zeros(number, width, inner))
        self.inner_product, self.outer_product = Product(), Product()
        self.inner_bias = nn.Parameter(torch.zeros(number, first)) if parts.bias else None
        self.outer_bias = nn.Parameter(torch.zeros(number, width)) if parts.bias else None

    def capacity(self, tokens: int) -> int:
        """How many of so many tokens an expert takes at most."""
        factor = self.spec.capacity if self.training else self.spec.capacity_test
        return min(tokens, math.ceil(factor * self.spec.top_k * tokens / self.spec.number))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (batch, window, width) → the same shape, and what to know of the routing, float32 (3,).

        These are the router's losses (weighted), the fraction of choices dropped, and the load of the busiest
        expert over the mean load.
        """
        tokens = x.flatten(0, -2)
        n, number, k = len(tokens), self.spec.number, self.spec.top_k
        logits = self.router(tokens).float()
        chances = logits.softmax(dim=-1)
        weight, expert = chances.topk(k, dim=-1)
        if k > 1:
            weight = weight / weight.sum(dim=-1, keepdim=True)

        # the place of each choice in the queue of its expert: first choices stand before second ones
        expert = expert.t().flatten()  # (k·n,)
        chosen = torch.zeros(k * n, number, device=x.device).scatter_(1, expert[:, None], 1.0)
        queue = chosen.cumsum(dim=0).gather(1, expert[:, None]).squeeze(1).long() - 1
        capacity = self.capacity(n)
        kept = queue < capacity
        slot = torch.where(kept, expert * capacity + queue, number * capacity)  # the last slot is nobody's

        slots = x.new_zeros(number * capacity + 1, x.shape[-1])
        slots = slots.index_copy(0, slot, tokens.repeat(k, 1))[:-1].view(number, capacity, -1)
        inner = self.inner_product(slots, self.inner)
        if self.inner_bias is not None:
            inner = inner + self.inner_bias[:, None]
        inner = (ops.gate if self.gated else ops.activate)(inner, self.activation)
        outer = self.outer_product(inner, self.outer)
        if self.outer_bias is not None:
            outer = outer + self.outer_bias[:, None]
        outer = torch.cat([outer.flatten(0, 1), outer.new_zeros(1, outer.shape[-1])])
        mixed = outer.index_select(0, slot).view(k, n, -1) * weight.t()[..., None].to(outer.dtype)

        load = chosen.mean(dim=0)  # the share of the choices that each expert gets
        balance = number * (load * chances.mean(dim=0)).sum()
        losses = self.spec.balance * balance + self.spec.router_z * logits.logsumexp(dim=-1).square().mean()
        dropped = 1 - kept.float().mean()
        return mixed.sum(dim=0).view_as(x), torch.stack([losses, dropped, load.max() * number])
