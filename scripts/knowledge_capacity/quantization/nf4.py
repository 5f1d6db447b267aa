"""NF4, the 4-bit format of QLoRA (Dettmers et al. 2023): sixteen levels where normal weights are as likely.

Without data. A group's largest magnitude is its scale.
"""

import torch
from torch import Tensor

from ..specs import Quantizer
from . import grid

# appendix E of the paper, as printed
LEVELS = (
    -1.0,
    -0.6961928009986877,
    -0.5250730514526367,
    -0.39491748809814453,
    -0.28444138169288635,
    -0.18477343022823334,
    -0.09105003625154495,
    0.0,
    0.07958029955625534,
    0.16093020141124725,
    0.24611230194568634,
    0.33791524171829224,
    0.44070982933044434,
    0.5626170039176941,
    0.7229568362236023,
    1.0,
)


def quantize_matrix(weight: Tensor, quantizer: Quantizer) -> tuple[Tensor, float]:
    """The weight (rows, columns) as it reads back from its codes, and the bits it takes, scales included."""
    return grid.quantize_by_group(weight, quantizer, _fake_quantize_groups)


def _fake_quantize_groups(groups: Tensor, _: Quantizer) -> Tensor:
    levels = torch.tensor(LEVELS, device=groups.device)
    scale = grid.round_scale(groups.abs().amax(dim=1, keepdim=True))
    codes = torch.bucketize(groups / scale, (levels[1:] + levels[:-1]) / 2)
    return levels[codes] * scale
