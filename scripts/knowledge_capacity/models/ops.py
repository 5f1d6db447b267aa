"""The operations that the decoder is built from.

On a CPU in float32 each is one fused kernel (native_ops.py); elsewhere, under autocast, torch.compile or function
transforms, it is plain torch. Both give the same values to rounding; only first derivatives are defined.

Weights and biases may be those of several replicas of a model, with an axis of replicas in front. Then x has it
too, as (replicas, batch, window, …), and each replica is worked on with its own.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from . import native, native_ops

CPU_LOGITS = 1 << 20  # logits at a time: fewer would add up the gradient of the head more often than it pays
GPU_ROWS = 4096  # rows of logits at a time, at least: enough to keep a GPU busy
ALIGNED = 64  # rows of a head in 16 bits: without, a GPU reads a row of logits number by number
MOST_PARTS = 16  # into which they are cut there: a compiler writes out each
PRODUCTS = 32  # at once, at least, where replicas allow it: the gradient of a small matrix fills no GPU


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x·weightᵀ + bias: x (…, in), weight (out, in), bias (out,) → (…, out)."""
    if weight.dim() == 2:
        return F.linear(x, weight, bias)
    # in parts, which the gradient of the weight is then summed over: one product would be long for a small one
    parts = math.gcd(x.shape[1], max(1, PRODUCTS // len(x)))
    cut = x.reshape(len(x), parts, -1, x.shape[-1])
    product = (cut @ weight.mT[:, None]).view(*x.shape[:-1], -1)
    return product if bias is None else product + broadcast_vector(bias, product)


def embed(tokens: Tensor, weight: Tensor) -> Tensor:
    """The rows of weight (replicas, vocabulary, width) that tokens int64 (replicas, batch, window) name."""
    replica = torch.arange(len(weight), device=weight.device)
    return weight[replica[:, None, None], tokens]


def broadcast_vector(vector: Tensor, x: Tensor) -> Tensor:
    """A vector (width,), or one of each replica (replicas, width), in the shape that goes with x."""
    return vector if vector.dim() == 1 else vector.view(len(vector), *[1] * (x.dim() - 2), -1)


def norm(x: Tensor, weight: Tensor, bias: Tensor | None, eps: float = 1e-5) -> Tensor:
    """LayerNorm over the last axis of x (…, width), or RMSNorm where there is no bias.

    weight, bias: (width,).
    """
    if weight.dim() == 2:
        if bias is None:
            return F.rms_norm(x, x.shape[-1:], None, eps) * broadcast_vector(weight, x)
        return F.layer_norm(x, x.shape[-1:], None, None, eps) * broadcast_vector(
            weight, x
        ) + broadcast_vector(bias, x)
    if native.is_supported(x, weight, bias):
        return native_ops.Norm.apply(x, None, None, weight, bias, eps)
    if bias is not None:
        return F.layer_norm(x, weight.shape, weight, bias, eps)
    return F.rms_norm(x, weight.shape, weight, eps)


def add_norm(
    x: Tensor,
    update: Tensor,
    update_bias: Tensor | None,
    weight: Tensor,
    bias: Tensor | None,
    eps: float = 1e-5,
) -> tuple[Tensor, Tensor]:
    """x + update + update_bias, and its norm: the end of one sublayer and the start of the next.

    x, update: (…, width); the biases and weight: (width,).
    """
    if weight.dim() == 1 and native.is_supported(x, update, update_bias, weight, bias):
        return native_ops.Norm.apply(x, update, update_bias, weight, bias, eps)
    total = x + (update if update_bias is None else update + broadcast_vector(update_bias, x))
    return total, norm(total, weight, bias, eps)


def apply_activation(x: Tensor, kind: str, x_bias: Tensor | None = None) -> Tensor:
    """The activation of x + x_bias: kind gelu (the exact one) or silu. x (…, m), x_bias (m,)."""
    if x_bias is not None and x_bias.dim() == 2:
        x, x_bias = x + broadcast_vector(x_bias, x).to(x.dtype), None
    if native.is_supported(x, x_bias):
        return native_ops.Activate.apply(x, x_bias, kind == "silu")
    if x_bias is not None:
        x = x + x_bias.to(x.dtype)
    return F.gelu(x) if kind == "gelu" else F.silu(x)


def gated_activation(x: Tensor, kind: str) -> Tensor:
    """x (…, 2m) holds gate and up side by side → activation of the gate, times up (…, m)."""
    if native.is_supported(x):
        return native_ops.Gate.apply(x, kind == "silu")
    first, up = x.chunk(2, dim=-1)
    return (F.gelu(first) if kind == "gelu" else F.silu(first)) * up


def attention(
    joint: Tensor,
    cos: Tensor,
    sin: Tensor,
    heads: int,
    groups: int,
    joint_bias: Tensor | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Causal attention with rotary positions; query head i reads group i // (heads // groups).

    joint (batch, window, (heads + 2·groups)·D): query heads, keys and values of the groups, D dimensions
    each; joint_bias, of its last axis, is added to it. cos, sin (window, R): the first R <= D dimensions of
    queries and keys are rotated, in halves as in GPT-NeoX, each table twice the same half. Scores are scaled
    by D^-1/2. mask: bool (batch, window, window), which positions each one may attend to, in place of all earlier
    ones. → (batch, window, heads·D)
    """
    if joint.dim() == 4:  # replicas are just more windows
        if joint_bias is not None:
            joint = joint + broadcast_vector(joint_bias, joint).to(joint.dtype)
        mixed = attention(joint.flatten(0, 1), cos, sin, heads, groups)
        return mixed.view(*joint.shape[:-1], -1)
    if mask is None and native.is_supported(joint, cos, sin, joint_bias):
        return native_ops.Attention.apply(joint, joint_bias, cos, sin, heads, groups)
    if joint_bias is not None:
        joint = joint + joint_bias.to(joint.dtype)
    batch, window, _ = joint.shape
    parts = joint.view(batch, window, heads + 2 * groups, -1).transpose(1, 2)
    turned, v = parts.split([heads + groups, groups], dim=1)
    q, k = _apply_rotary(turned, cos, sin).split([heads, groups], dim=1)
    seen = None if mask is None else mask[:, None]
    mixed = F.scaled_dot_product_attention(
        q, k, v, attn_mask=seen, is_causal=mask is None, enable_gqa=groups != heads
    )
    return mixed.transpose(1, 2).reshape(batch, window, -1)


def _apply_rotary(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    rotated, kept = x.split([cos.shape[-1], x.shape[-1] - cos.shape[-1]], dim=-1)
    a, b = rotated.chunk(2, dim=-1)
    return torch.cat([rotated * cos + torch.cat([-b, a], dim=-1) * sin, kept], dim=-1).type_as(x)


def linear_cross_entropy(hidden: Tensor, weight: Tensor, targets: Tensor, ignored: int = -100) -> Tensor:
    """The sum of the cross entropies of logits hidden·weightᵀ over targets that are not ignored, in float32.

    hidden (n, width), weight (V, width), targets int64 (n,). The logits (n, V) are made a few rows at a time,
    and with them the gradients, which so cost one exponential per logit and little memory. Raises IndexError
    for a target that is no row of weight, on a CPU.
    """
    if torch._C._are_functorch_transforms_active():
        logits = F.linear(hidden, weight).float()
        return F.cross_entropy(logits, targets, ignore_index=ignored, reduction="sum")
    differentiate = torch.is_grad_enabled() and (hidden.requires_grad or weight.requires_grad)
    fused = native.is_supported(hidden, weight)
    return _LinearCrossEntropy.apply(hidden, weight, targets, ignored, differentiate, fused)


def autocast_operands(hidden: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Both in the dtype that matrix products have here."""
    device = hidden.device.type
    if not torch.is_autocast_enabled(device):
        return hidden, weight
    dtype = torch.get_autocast_dtype(device)
    return hidden.to(dtype), weight.to(dtype)


def rows_at_once(n: int, size: int, device: str) -> int:
    """How many of n rows of logits, of `size` each, are made at a time for the loss."""
    return max(1, CPU_LOGITS // size) if device == "cpu" else max(GPU_ROWS, -(-n // MOST_PARTS))


def row_cross_entropy(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """The cross entropy of each row of logits hidden·weightᵀ, float32 (n,), without gradients.

    hidden (n, width), weight (V, width), targets int64 (n,): rows of weight.
    """
    losses = torch.empty(len(hidden), dtype=torch.float32, device=hidden.device)
    step = max(1, CPU_LOGITS // len(weight)) if hidden.device.type == "cpu" else GPU_ROWS
    for begin in range(0, len(hidden), step):
        rows = slice(begin, begin + step)
        logits = hidden[rows] @ weight.t()
        if native.is_supported(logits):
            native_ops.cross_entropy(logits, targets[rows].contiguous(), losses[rows], -100, False)
        else:
            losses[rows] = F.cross_entropy(logits.float(), targets[rows], reduction="none")
    return losses


class _LinearCrossEntropy(Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        targets: Tensor,
        ignored: int,
        differentiate: bool,
        fused: bool,
    ) -> Tensor:
        ctx.dtypes, device = (hidden.dtype, weight.dtype), hidden.device.type
        hidden, weight = autocast_operands(hidden, weight)
        n, size = len(hidden), len(weight)
        step = rows_at_once(n, size, device)
        weight = pad_rows(weight)
        losses = torch.empty(n, dtype=torch.float32, device=hidden.device)
        grad_hidden = torch.empty_like(hidden) if differentiate else None
        grad_weight = torch.zeros_like(weight, dtype=torch.float32) if differentiate else None
        targets = targets.contiguous()
        buffer = hidden.new_empty(min(n, step), size) if fused else None
        for begin in range(0, n, step):
            rows = slice(begin, begin + step)
            part = hidden[rows]
            if buffer is not None:
                logits = torch.mm(part, weight.t(), out=buffer[: len(part)])
                native_ops.cross_entropy(logits, targets[rows], losses[rows], ignored, differentiate)
            else:
                logits = part @ weight.t()
                logits, losses[rows] = cross_entropy(logits, targets[rows], ignored, differentiate, size)
            if grad_hidden is not None and grad_weight is not None:
                torch.mm(logits, weight, out=grad_hidden[rows])
                if logits.dtype == torch.float32:
                    grad_weight.addmm_(logits.t(), part)
                else:
                    grad_weight += logits.t() @ part
        ctx.save_for_backward(grad_hidden, None if grad_weight is None else grad_weight[:size])
        return losses.sum()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        grad_hidden, grad_weight = ctx.saved_tensors
        of_hidden, of_weight = (
            (x * grad).to(dtype) for x, dtype in zip((grad_hidden, grad_weight), ctx.dtypes, strict=True)
        )
        return of_hidden, of_weight, None, None, None, None


def pad_rows(weight: Tensor) -> Tensor:
    """A head (…, V, width) in 16 bits with rows of zeros up to a multiple of ALIGNED; in float32 as it is."""
    missing = 0 if weight.dtype == torch.float32 else -weight.shape[-2] % ALIGNED
    return F.pad(weight, (0, 0, 0, missing)) if missing else weight


def cross_entropy(
    logits: Tensor, targets: Tensor, ignored: int, differentiate: bool, size: int
) -> tuple[Tensor, Tensor]:
    """Gradients and losses of a few rows of logits, in plain torch; targets int64 (…).

    logits (…, size or more): those behind the first `size`, of `pad_rows`, belong to no token. Gradients are in the
    dtype of logits; without `differentiate`, logits are returned in their place.
    """
    values, counts = logits.float(), targets != ignored
    column = torch.arange(logits.shape[-1], device=logits.device)
    if len(column) > size:
        values = torch.where(column < size, values, -torch.inf)
    chosen = torch.where(counts, targets, 0)[..., None]
    log_sum = values.logsumexp(dim=-1)
    losses = torch.where(counts, log_sum - values.gather(-1, chosen)[..., 0], 0.0)
    if not differentiate:
        return logits, losses
    # compared rather than scattered, so that a compiler makes one pass of it
    hit = column == chosen
    gradient = (values - log_sum[..., None]).exp() - hit.float()
    return torch.where(counts[..., None], gradient, 0.0).to(logits.dtype), losses
