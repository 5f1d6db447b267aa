"""Round to nearest: the plainest quantiser, and the baseline for all others.

Symmetric and without data: every output row of a matrix, or every group of `group_size` weights in a row, has
one scale in float32, the largest magnitude over the largest code.
"""

from torch import Tensor

from ..specs import Quantizer

SCALE_BITS = 32


def quantize_matrix(weight: Tensor, quantizer: Quantizer) -> tuple[Tensor, float]:
    """The weight as it reads back from its codes, and the bits it takes, scales included.

    weight: (rows, columns); a group that does not fill up is a group of its own.
    """
    rows, columns = weight.shape
    size = quantizer.group_size or columns
    largest_code = 2 ** (quantizer.bits - 1) - 1
    read_back = weight.clone()
    for start in range(0, columns, size):
        group = weight[:, start : start + size]
        scale = group.abs().amax(dim=1, keepdim=True) / largest_code
        scale = scale.where(scale > 0, 1.0)  # a row of zeros stays one
        codes = (group / scale).round()
        read_back[:, start : start + size] = codes * scale
    groups = -(-columns // size)
    return read_back, weight.numel() * quantizer.bits + rows * groups * SCALE_BITS
