"""The operations of ops.py as autograd functions on the kernels of a processor (native.py)."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from . import native


class Attention(Function):
    """ops.attention, with the bias of joint."""

    @staticmethod
    def forward(
        ctx: Any, joint: Tensor, bias: Tensor | None, cos: Tensor, sin: Tensor, heads: int, groups: int
    ) -> Tensor:
        joint, cos, sin = joint.contiguous(), cos.contiguous(), sin.contiguous()
        batch, window, width = joint.shape
        head = width // (heads + 2 * groups)
        out = joint.new_empty(batch, window, heads * head)
        log_sums = joint.new_empty(batch, heads, window)
        ctx.sizes = {"batch": batch, "window": window, "heads": heads, "groups": groups, "D": head}
        ctx.sizes["rotated"] = cos.shape[1]
        native.call_kernel(
            "attention_forward",
            joint=joint,
            bias=bias,
            cos=cos,
            sin=sin,
            out=out,
            log_sums=log_sums,
            **ctx.sizes,
        )
        ctx.save_for_backward(joint, bias, cos, sin, out, log_sums)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        joint, bias, cos, sin, out, log_sums = ctx.saved_tensors
        grad_joint = torch.empty_like(joint)
        grad_bias = None if bias is None else joint.new_empty(joint.shape[0], joint.shape[2])
        native.call_kernel(
            "attention_backward",
            grad=grad.contiguous(),
            joint=joint,
            bias=bias,
            cos=cos,
            sin=sin,
            out=out,
            log_sums=log_sums,
            grad_joint=grad_joint,
            grad_bias=grad_bias,
            **ctx.sizes,
        )
        return grad_joint, None if grad_bias is None else grad_bias.sum(0), None, None, None, None


class Activate(Function):
    """ops.activate of x + bias."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, bias: Tensor | None, silu: bool) -> Tensor:
        x = x.contiguous()
        y = torch.empty_like(x)
        ctx.sizes = {"n": x.numel() // max(1, x.shape[-1]), "m": x.shape[-1], "silu": silu}
        native.call_kernel("activate_forward", x=x, bias=bias, y=y, **ctx.sizes)
        ctx.save_for_backward(x, bias)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, bias = ctx.saved_tensors
        grad_x, grad_bias = torch.empty_like(x), None if bias is None else torch.empty_like(bias)
        native.call_kernel(
            "activate_backward",
            grad=grad.contiguous(),
            x=x,
            bias=bias,
            grad_x=grad_x,
            grad_bias=grad_bias,
            **ctx.sizes,
        )
        return grad_x, grad_bias, None


class Gate(Function):
    """ops.gate."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, silu: bool) -> Tensor:
        x = x.contiguous()
        half = x.shape[-1] // 2
        y = x.new_empty(*x.shape[:-1], half)
        ctx.sizes = {"n": y.numel() // max(1, half), "m": half, "silu": silu}
        native.call_kernel("gate_forward", x=x, y=y, **ctx.sizes)
        ctx.save_for_backward(x)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (x,) = ctx.saved_tensors
        grad_x = torch.empty_like(x)
        native.call_kernel("gate_backward", grad=grad.contiguous(), x=x, grad_x=grad_x, **ctx.sizes)
        return grad_x, None


class Norm(Function):
    """ops.add_norm, or ops.norm where there is no update: then `total` is x itself and is not returned."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        update: Tensor | None,
        update_bias: Tensor | None,
        weight: Tensor,
        bias: Tensor | None,
        epsilon: float,
    ) -> Tensor | tuple[Tensor, Tensor]:
        x, update = x.contiguous(), None if update is None else update.contiguous()
        ctx.sizes = {"n": x.numel() // max(1, x.shape[-1]), "d": x.shape[-1]}
        total = x if update is None else torch.empty_like(x)
        normed, stats = torch.empty_like(x), x.new_empty(ctx.sizes["n"], 2)
        native.call_kernel(
            "norm_forward",
            x=x,
            update=update,
            update_bias=update_bias,
            weight=weight,
            bias=bias,
            total=total,
            normed=normed,
            stats=stats,
            epsilon=epsilon,
            **ctx.sizes,
        )
        ctx.has = bias is not None, update is not None, update_bias is not None
        ctx.save_for_backward(total, weight, stats)
        return normed if update is None else (total, normed)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        total, weight, stats = ctx.saved_tensors
        centred, updated, update_biased = ctx.has
        grad_x, of_parts = torch.empty_like(total), total.new_empty(3, total.shape[-1])
        native.call_kernel(
            "norm_backward",
            grad=grads[-1].contiguous(),
            grad_total=grads[0].contiguous() if updated else None,
            total=total,
            weight=weight,
            stats=stats,
            grad_x=grad_x,
            grads=of_parts,
            centred=centred,
            updated=update_biased,
            **ctx.sizes,
        )
        return (
            grad_x,
            grad_x if updated else None,
            of_parts[2] if update_biased else None,
            of_parts[0],
            of_parts[1] if centred else None,
            None,
        )


def cross_entropy(logits: Tensor, targets: Tensor, losses: Tensor, ignored: int, differentiate: bool) -> None:
    """Losses (n,) of logits (n, V), which become their gradients in place where wanted.

    All contiguous, targets int64; rows whose target is `ignored` give zeros. Raises IndexError for a target
    that is no column.
    """
    sizes = {"n": logits.shape[0], "V": logits.shape[1], "ignored": ignored, "differentiate": differentiate}
    if native.call_kernel("cross_entropy_rows", logits=logits, targets=targets, losses=losses, **sizes):
        raise IndexError(f"targets must be {ignored} or at least 0 and below {logits.shape[1]}")
