"""FP8, the 8-bit format e4m3 (Micikevicius et al. 2022), rounded by torch.

Without data. A group's scale takes its largest magnitude to 448, the largest number of the format.
"""

import torch
from torch import Tensor

from ..specs import Quantizer
from . import grid

FORMAT = torch.float8_e4m3fn


def quantize_matrix(weight: Tensor, quantizer: Quantizer) -> tuple[Tensor, float]:
    """The weight (rows, columns) as it reads back from its codes, and the bits it takes, scales included."""
    return grid.quantize_by_group(weight, quantizer, _fake_quantize_groups)


def _fake_quantize_groups(groups: Tensor, _: Quantizer) -> Tensor:
    most = torch.finfo(FORMAT).max
    scale = grid.round_scale(groups.abs().amax(dim=1, keepdim=True) / most)
    return (groups / scale).clamp(-most, most).to(FORMAT).float() * scale
