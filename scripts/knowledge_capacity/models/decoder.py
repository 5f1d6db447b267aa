"""The decoder of the study: one transformer whose parts make GPT-2, LLaMA, Mistral and their ablations.

Positions are told by rotary embedding, in GPT-2 too, as in the paper (section 2 of Allen-Zhu & Li 2024).
"""

from typing import Any

import torch
from torch import Tensor, nn

from ..specs import Architecture
from . import ops
from .experts import Mixture
from .linear import Linear, WholeLinear

ROTARY_BASE = 10_000.0
INIT_STD = 0.02
NORM_EPS = 1e-5


class Norm(nn.Module):
    """LayerNorm, or RMSNorm where there is no bias."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(architecture.width))
        layer = architecture.parts.norm == "layer"
        self.bias = nn.Parameter(torch.zeros(architecture.width)) if layer else None

    def forward(self, x: Tensor) -> Tensor:
        return ops.norm(x, self.weight, self.bias, NORM_EPS)

    def add(self, x: Tensor, update: Tensor, bias: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x + update + bias, and the norm of that."""
        return ops.add_norm(x, update, bias, self.weight, self.bias, NORM_EPS)


class Attention(nn.Module):
    """Causal self-attention over all earlier positions; query heads may share keys and values."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        width, bias = architecture.width, architecture.parts.bias
        self.heads, self.groups = architecture.heads, architecture.groups
        self.joint = Linear(width, (self.heads + 2 * self.groups) * architecture.head_width, bias=bias)
        self.out = Linear(width, width, bias=bias)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None = None) -> Tensor:
        """x (batch, window, width), cos, sin and mask as of `ops.attention` → as x, without out.bias."""
        mixed = ops.attention(self.joint(x), cos, sin, self.heads, self.groups, self.joint.bias, mask)
        return self.out(mixed)


class MLP(nn.Module):
    """Two linear layers with an activation between them; gated, the first gives gate and up side by side."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        width, inner, parts = architecture.width, architecture.inner_width, architecture.parts
        self.gated, self.activation = parts.mlp == "gated", parts.activation
        if self.gated:
            self.inner: Linear = WholeLinear(width, 2 * inner, bias=parts.bias)
        else:
            self.inner = Linear(width, inner, bias=parts.bias)
        self.outer = Linear(inner, width, bias=parts.bias)

    def forward(self, x: Tensor) -> Tensor:
        """x (batch, window, width) → the same shape, without outer.bias."""
        if self.gated:
            inner = ops.gated_activation(self.inner(x), self.activation)
        else:
            inner = ops.apply_activation(self.inner(x), self.activation, self.inner.bias)
        return self.outer(inner)


class Layer(nn.Module):
    """Attention, then MLP or experts, each on the normalised stream and added to it."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.attention_norm = Norm(architecture)
        self.attention = Attention(architecture)
        self.mlp: MLP | Mixture | None = None
        if architecture.parts.mlp != "none":
            self.mlp_norm = Norm(architecture)
            self.mlp = Mixture(architecture) if architecture.parts.experts else MLP(architecture)

    def forward(
        self, x: Tensor, normed: Tensor, cos: Tensor, sin: Tensor, after: Norm, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """The stream after this layer, its norm, and what `Mixture` says of its routing, if it has one.

        x, normed (batch, window, width): the stream before, and its attention_norm. after: the norm that
        follows, the next layer's or the final one.
        """
        mixed = self.attention(normed, cos, sin, mask)
        if self.mlp is None:
            return *after.add(x, mixed, self.attention.out.bias), None
        x, normed = self.mlp_norm.add(x, mixed, self.attention.out.bias)
        if isinstance(self.mlp, Mixture):
            added, routing = self.mlp(normed)
            return *after.add(x, added), routing
        return *after.add(x, self.mlp(normed), self.mlp.outer.bias), None


class Decoder(nn.Module):
    """Token ids (batch, window) in, logits (batch, window, vocabulary) out.

    first_token: that each text begins with, where attention is to stay within a text.
    """

    first_token: int | None = None

    def __init__(self, architecture: Architecture, vocabulary: int, window: int) -> None:
        super().__init__()
        self.architecture = architecture
        undrawn = torch.empty(vocabulary, architecture.width)
        self.embedding = nn.Embedding.from_pretrained(undrawn, freeze=False)
        self.layers = nn.ModuleList(Layer(architecture) for _ in range(architecture.layers))
        self.final_norm = Norm(architecture)
        self.head = None if architecture.parts.tied else Linear(architecture.width, vocabulary, bias=False)
        self._set_angles(window)

    @property
    def head_weight(self) -> Tensor:
        """The matrix (vocabulary, width) that gives the logits; the embedding where it is tied."""
        return self.embedding.weight if self.head is None else self.head.weight

    def hidden(self, tokens: Tensor) -> tuple[Tensor, Tensor | None]:
        """The stream (batch, window, width) that the head reads, and what `Mixture` says of the layers'
        routing: the sum of its losses and the means of the rest.
        """
        window = tokens.shape[-1]
        if window > len(self.get_buffer("cos")):  # a biography longer than the windows of training
            self._set_angles(window)
        cos, sin = self.get_buffer("cos")[:window], self.get_buffer("sin")[:window]
        norms: list[Any] = [*(layer.attention_norm for layer in self.layers), self.final_norm]
        alone = self.embedding.weight.dim() == 2  # and no stack of replicas
        x = self.embedding(tokens) if alone else ops.embed(tokens, self.embedding.weight)
        routings = []
        mask = None if self.first_token is None else mask_texts(tokens, self.first_token)
        normed = norms[0](x)
        for layer, after in zip(self.layers, norms[1:], strict=True):
            x, normed, routing = layer(x, normed, cos, sin, after, mask)
            if routing is not None:
                routings.append(routing)
        if not routings:
            return normed, None
        each = torch.stack(routings)
        return normed, torch.cat([each[..., :1].sum(dim=0), each[..., 1:].mean(dim=0)], dim=-1)

    def forward(self, tokens: Tensor) -> Tensor:
        return ops.linear(self.hidden(tokens)[0], self.head_weight)

    def initialise(self, generator: torch.Generator, std: float = INIT_STD) -> None:
        """Matrices and embeddings from N(0, std²), biases zero, norms one."""
        for name, parameter in self.named_parameters():
            with torch.no_grad():
                if parameter.dim() > 1 and not name.endswith("bias"):
                    parameter.normal_(0.0, std, generator=generator)
                else:
                    parameter.fill_(1.0 if name.endswith("norm.weight") else 0.0)

    def _set_angles(self, window: int) -> None:
        """Tables of cosines and sines (window, rotary) for every position of a window."""
        rotary = self.architecture.rotary
        frequency = ROTARY_BASE ** (-torch.arange(0, rotary, 2) / rotary)
        angle = torch.outer(torch.arange(window, dtype=torch.float), frequency)
        angle = torch.cat([angle, angle], dim=-1).to(self.embedding.weight.device)
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)


def mask_texts(tokens: Tensor, first: int) -> Tensor:
    """Which positions each one may attend to: the earlier ones since the last token `first`, bool (…, window, window).

    tokens: int64 (…, window). What stands before the first such token is a text too, whose start was cut off.
    """
    text = (tokens == first).cumsum(dim=-1)
    return (text[..., :, None] == text[..., None, :]).tril()
