"""The operations that the decoder is built from, in plain torch."""

import torch
import torch.nn.functional as F
from torch import Tensor


def norm(x: Tensor, weight: Tensor, bias: Tensor | None, eps: float = 1e-5) -> Tensor:
    if bias is not None:
        return F.layer_norm(x, weight.shape, weight, bias, eps)
    return F.rms_norm(x, weight.shape, weight, eps)


def activate(x: Tensor, kind: str) -> Tensor:
    return F.gelu(x) if kind == "gelu" else F.silu(x)


def gate(x: Tensor, kind: str) -> Tensor:
    first, up = x.chunk(2, dim=-1)
    return activate(first, kind) * up


def attention(joint: Tensor, cos: Tensor, sin: Tensor, heads: int, groups: int) -> Tensor:
    batch, window, _ = joint.shape
    q, k, v = (
        joint.view(batch, window, heads + 2 * groups, -1)
        .transpose(1, 2)
        .split([heads, groups, groups], dim=1)
    )

    def turn(x: Tensor) -> Tensor:
        rotated, kept = x.split([cos.shape[-1], x.shape[-1] - cos.shape[-1]], dim=-1)
        a, b = rotated.chunk(2, dim=-1)
        return torch.cat([rotated * cos + torch.cat([-b, a], dim=-1) * sin, kept], dim=-1)

    mixed = F.scaled_dot_product_attention(turn(q), turn(k), v, is_causal=True, enable_gqa=groups != heads)
    return mixed.transpose(1, 2).reshape(batch, window, -1)


def linear_cross_entropy(hidden: Tensor, weight: Tensor, targets: Tensor, ignored: int = -100) -> Tensor:
    return F.cross_entropy(F.linear(hidden, weight).float(), targets, ignore_index=ignored, reduction="sum")
