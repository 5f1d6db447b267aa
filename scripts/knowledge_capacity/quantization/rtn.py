"""Round to nearest: the plainest quantiser, and the baseline for all others.

Without data. Symmetric, the largest magnitude of a group takes the largest code, 2^(bits-1) - 1; with a zero
point, the smallest weight takes code 0 and the largest takes 2^bits - 1 (both moved to hold zero between
them), as torchao does it.
"""

from torch import Tensor

from ..specs import Quantizer
from . import grid


def quantize_matrix(weight: Tensor, quantizer: Quantizer) -> tuple[Tensor, float]:
    """The weight (rows, columns) as it reads back from its codes, and the bits it takes, scales included."""
    return grid.quantize_by_group(weight, quantizer, _fake_quantize_groups)


def fake_quantize_matrix(weight: Tensor, quantizer: Quantizer) -> Tensor:
    """The weight (rows, columns) as it reads back, as training sees it; NaN where a scale is too large."""
    return grid.map_groups(weight, quantizer, _fake_quantize_groups)


def _fake_quantize_groups(groups: Tensor, quantizer: Quantizer) -> Tensor:
    if not quantizer.zero_point:
        most = 2 ** (quantizer.bits - 1) - 1
        scale = grid.round_scale(groups.abs().amax(dim=1, keepdim=True) / most)
        return (groups / scale).round().clamp(-most, most) * scale
    most = 2**quantizer.bits - 1
    low = groups.amin(dim=1, keepdim=True).clamp_max(0)
    high = groups.amax(dim=1, keepdim=True).clamp_min(0)
    scale = grid.round_scale((high - low) / most)
    zero = (-low / scale).round().clamp(0, most)
    codes = ((groups / scale).round() + zero).clamp(0, most)
    return (codes - zero) * scale
