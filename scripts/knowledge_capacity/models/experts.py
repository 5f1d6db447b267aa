"""A mixture of experts in place of an MLP, with a limit on how many tokens each expert takes.

All shapes are known in advance: tokens are put into (experts, capacity) slots, worked on by one batched
product a layer, and taken back out; tokens that find their expert full add nothing to the stream.
"""

import math

import torch
from torch import Tensor, nn

from ..specs import Architecture
from . import ops
from .linear import Linear


class ExpertProduct(nn.Module):
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
        self.router = Linear(width, number, bias=False)
        self.inner = nn.Parameter(torch.zeros(number, first, width))
        self.outer = nn.Parameter(torch.zeros(number, width, inner))
        self.inner_product, self.outer_product = ExpertProduct(), ExpertProduct()
        self.inner_bias = nn.Parameter(torch.zeros(number, first)) if parts.bias else None
        self.outer_bias = nn.Parameter(torch.zeros(number, width)) if parts.bias else None

    def capacity(self, tokens: int) -> int:
        """How many of so many tokens an expert takes at most."""
        factor = self.spec.capacity if self.training else self.spec.capacity_test
        return min(tokens, math.ceil(factor * self.spec.top_k * tokens / self.spec.number))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (batch, window, width) → the same shape, and what to know of the routing, float32 (3,).

        These are the router's losses (weighted), the fraction of choices dropped, and the load of the busiest
        expert over the mean load. Of several replicas, all have an axis of replicas in front.
        """
        logits = self.router(x).float().flatten(-3, -2)
        if x.dim() == 3:  # one replica
            logits = logits[None]
        replicas, n, number = logits.shape
        tokens, k = x.reshape(replicas, n, -1), self.spec.top_k
        chances = logits.softmax(dim=-1)
        weight, expert = chances.topk(k, dim=-1)
        if k > 1:
            weight = weight / weight.sum(dim=-1, keepdim=True)

        # the place of each choice in the queue of its expert: first choices stand before second ones
        expert = expert.mT.flatten(1)[..., None]  # (replicas, k·n, 1)
        chosen = (torch.arange(number, device=x.device) == expert).float()
        queue = chosen.cumsum(dim=1).gather(2, expert).long() - 1
        capacity = self.capacity(n)
        kept = queue < capacity
        own = (
            number * torch.arange(replicas, device=x.device)[:, None, None]
        )  # the first expert of each replica
        nobodys = replicas * number * capacity  # the last slot
        slot = torch.where(kept, (own + expert) * capacity + queue, nobodys).flatten()

        slots = x.new_zeros(nobodys + 1, x.shape[-1])
        slots = slots.index_copy(0, slot, tokens.repeat(1, k, 1).flatten(0, 1))[:-1]
        inner = self.inner_product(slots.view(-1, capacity, x.shape[-1]), self.inner.flatten(0, -3))
        if self.inner_bias is not None:
            inner = inner + self.inner_bias.flatten(0, -2)[:, None]
        inner = (ops.gated_activation if self.gated else ops.apply_activation)(inner, self.activation)
        outer = self.outer_product(inner, self.outer.flatten(0, -3))
        if self.outer_bias is not None:
            outer = outer + self.outer_bias.flatten(0, -2)[:, None]
        outer = torch.cat([outer.flatten(0, 1), outer.new_zeros(1, outer.shape[-1])])
        mixed = outer.index_select(0, slot).view(replicas, k, n, -1) * weight.mT[..., None].to(outer.dtype)

        load = chosen.mean(dim=1)  # the share of the choices that each expert gets
        balance = number * (load * chances.mean(dim=1)).sum(dim=-1)
        spread = logits.logsumexp(dim=-1).square().mean(dim=-1)
        losses = self.spec.balance * balance + self.spec.router_z * spread
        dropped = 1 - kept.float().mean(dim=(1, 2))
        routing = torch.stack([losses, dropped, load.amax(dim=-1) * number], dim=-1)
        return mixed.sum(dim=1).view_as(x), routing if x.dim() == 4 else routing[0]
