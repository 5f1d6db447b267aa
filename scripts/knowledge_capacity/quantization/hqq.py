"""HQQ, half-quadratic quantisation (Badri & Shaji 2023), as torchao has it.

Without data. It looks for the zero point that leaves the sparsest error, not the least squared one. Scale and
zero point of a group are float16; codes are rounded anew with them.
"""

from torch import Tensor

from ..quiet import suppress_warnings
from ..specs import Quantizer
from . import grid

with suppress_warnings():
    from torchao.quantization.quant_primitives import (  # type: ignore[import-untyped]
        _choose_qparams_and_quantize_affine_hqq,
    )


def quantize_matrix(weight: Tensor, quantizer: Quantizer) -> tuple[Tensor, float]:
    """The weight (rows, columns) as it reads back from its codes, and the bits it takes, scales included."""
    return grid.quantize_by_group(weight, quantizer, _fake_quantize_groups)


def _fake_quantize_groups(groups: Tensor, quantizer: Quantizer) -> Tensor:
    _, scale, zero, _ = _choose_qparams_and_quantize_affine_hqq(
        groups,
        nbits=quantizer.bits,
        group_size=groups.shape[1],
        compute_dtype=groups.dtype,
        device=groups.device.type,
        raw_output=True,
    )
    scale, zero = (found.reshape(-1, 1) for found in (scale, zero))
    # a group of equal weights has nothing to choose; as a scale, its value reads back
    level = groups[:, :1]
    even = (groups == level).all(dim=1, keepdim=True)
    scale = grid.round_scale(scale.where(~even, level.abs()))
    zero = zero.where(~even, -level.sign()).half().float().clamp(-65504, 65504)
    codes = (groups / scale + zero).round().clamp(0, 2**quantizer.bits - 1)
    return (codes - zero) * scale
