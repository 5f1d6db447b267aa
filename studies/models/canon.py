"""GPT-2 with Canon layers: Allen-Zhu 2025, "Physics of Language Models: Part 4.1" (arXiv 2512.17351).

A Canon layer adds to each token a weighted sum of itself and the three before it, channel by channel. It
stands at four points of each layer: before attention (A), on queries, keys and values (B), before the MLP
(C), and inside the MLP (D). All else is the study's own decoder.
"""

import torch
import torch.nn.functional as F
from knowledge_capacity.models import ops
from knowledge_capacity.models.decoder import MLP, Attention, Decoder
from knowledge_capacity.specs import Architecture
from torch import Tensor, nn

REACH = 4  # tokens


class Canon(nn.Module):
    """x (batch, length, width) and its causal convolution added; one kernel a channel, no bias."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.kernel = nn.Conv1d(width, width, REACH, groups=width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.kernel(F.pad(x.transpose(1, 2), (REACH - 1, 0))).transpose(1, 2)


class CanonAttention(Attention):
    """The decoder's attention with A and B. Linear layers leave out their bias; that of `out` comes later."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        self.a, self.b = Canon(architecture.width), Canon(self.joint.out_features)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None = None) -> Tensor:
        joint = self.b(self.joint(self.a(x)) + self.joint.bias)
        return self.out(ops.attention(joint, cos, sin, self.heads, self.groups, mask=mask))


class CanonMLP(MLP):
    """The decoder's MLP with C and D. Linear layers leave out their bias; that of `outer` comes later."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        self.c, self.d = Canon(architecture.width), Canon(self.inner.out_features)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.d(self.inner(self.c(x)) + self.inner.bias)
        return self.outer(ops.apply_activation(inner, self.activation))


def canon(
    vocabulary: int,
    window: int,
    width: int = 16,
    layers: int = 2,
    heads: int = 1,
    mlp_width: int | None = None,
) -> nn.Module:
    """GPT-2 with all four; their kernels begin as torch draws them, as in the code beside the paper."""
    architecture = Architecture(layers, heads, width, mlp_width=mlp_width)
    decoder = Decoder(architecture, vocabulary, window)
    for layer in decoder.layers:
        layer.attention, layer.mlp = CanonAttention(architecture), CanonMLP(architecture)
    decoder.initialise(torch.default_generator)
    for module in decoder.modules():
        if isinstance(module, Canon):
            module.kernel.reset_parameters()
    return nn.Sequential(decoder)  # in a module of its own, since a bare Decoder would be saved as GPT-2
