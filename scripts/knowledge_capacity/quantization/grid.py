"""What all methods share: groups of weights, scales as they are stored, and the bits that this takes."""

from collections.abc import Callable

import torch
from torch import Tensor

from ..files import UserError
from ..specs import METHODS, Quantizer

SCALE_BITS = 16  # scales are float16 in every method, so that comparisons are fair
SMALLEST = 2.0**-24  # the smallest positive float16; the scale of a group of zeros


def quantize_by_group(
    weight: Tensor, quantizer: Quantizer, read_back: Callable[[Tensor, Quantizer], Tensor]
) -> tuple[Tensor, float]:
    """The weight (rows, columns) as it reads back, and the bits it takes. read_back: as in `map_groups`.

    Raises UserError where a scale is more than float16 can store.
    """
    found = map_groups(weight, quantizer, read_back)
    if not found.isfinite().all():
        most = torch.finfo(torch.float16).max
        raise UserError(
            f"a matrix with weights as large as {float(weight.abs().max()):.3g} needs a scale of more than "
            f"float16 can store ({most:.0f}). Train with a lower lr, or leave this variant out."
        )
    return found, stored_bits(weight, quantizer)


def map_groups(
    weight: Tensor, quantizer: Quantizer, read_back: Callable[[Tensor, Quantizer], Tensor]
) -> Tensor:
    """The weight (rows, columns) as it reads back.

    read_back: takes groups (n, size), each row one, to what their codes stand for. The last group of a row is
    shorter where group_size does not divide the columns.
    """
    whole, rest = split_groups(weight, quantizer)
    found = [read_back(whole.reshape(-1, whole.shape[-1]), quantizer).view(len(weight), -1)]
    if rest.numel():
        found.append(read_back(rest, quantizer))
    return torch.cat(found, dim=1)


def split_groups(weight: Tensor, quantizer: Quantizer) -> tuple[Tensor, Tensor]:
    """The whole groups of a matrix, (rows, groups, size), and what is left of its rows, (rows, fewer)."""
    rows, columns = weight.shape
    size = min(quantizer.group_size or columns, columns)
    left = columns % size
    return weight[:, : columns - left].reshape(rows, -1, size), weight[:, columns - left :]


def round_scale(wanted: Tensor) -> Tensor:
    """Scales as float16 stores them, in float32; infinite where it cannot.

    Nothing here looks at a value, so that training can round its weights in a captured graph.
    """
    return wanted.half().float().clamp_min(SMALLEST)


def stored_bits(weight: Tensor, quantizer: Quantizer) -> float:
    """Bits of a matrix (rows, columns): a code for each weight; for each group a scale, maybe a zero point.

    Zero points are float16 in hqq, and codes elsewhere.
    """
    rows, columns = weight.shape
    groups = rows * -(-columns // (quantizer.group_size or columns))
    method = METHODS[quantizer.method]
    zero = SCALE_BITS if method.zero_point_in_16_bits else quantizer.bits * quantizer.zero_point
    return weight.numel() * quantizer.bits + groups * (SCALE_BITS + zero)
