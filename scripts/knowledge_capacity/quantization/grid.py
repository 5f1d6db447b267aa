"""What all methods share: groups of weights, scales as they are stored, and the bits that this takes."""

from collections.abc import Callable

import torch
from torch import Tensor

from ..files import UserError
from ..specs import METHODS, Quantizer

SCALE_BITS = 16  # scales are float16 in every method, so that comparisons are fair
SMALLEST = 2.0**-24  # the smallest positive float16; the scale of a group of zeros
LOWEST = 2.0**-20  # scale that float16 stores to 3 %; smaller ones are soon doubled, or all become SMALLEST
# of gptq, which makes scales smaller by up to 80 %, and of hqq's library, which takes this one for all below
LOWEST_OF = {"gptq": 2.0**-18, "hqq": 1 / 20_000}
LARGEST = {"fp8": 448, "nf4": 1}  # number of these formats; of others, the largest code
FARTHEST = 2048  # steps from zero at which float16 tells one step from the next
MATTERS = 0.01  # of the squares of a matrix's weights


def quantize_by_group(
    weight: Tensor, quantizer: Quantizer, read_back: Callable[[Tensor, Quantizer], Tensor]
) -> tuple[Tensor, float]:
    """The weight (rows, columns) as it reads back, and the bits it takes. read_back: as in `map_groups`.

    Raises UserError where a scale is more than float16 can store.
    """
    found = map_groups(weight, quantizer, read_back)
    if not found.isfinite().all():
        raise _too_large(weight)
    return found, stored_bits(weight, quantizer)


def _too_large(weight: Tensor) -> UserError:
    return UserError(
        f"a matrix with weights as large as {float(weight.abs().max()):.3g} needs a scale of more than float16 can "
        f"store ({torch.finfo(torch.float16).max:.0f}). Train with a lower lr, or leave this variant out."
    )


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


def check_scales(weight: Tensor, quantizer: Quantizer) -> str | None:
    """Raise UserError where float16 cannot store the scales of a matrix (rows, columns), or hqq its zero points.

    Returns what to say where this is so of groups that hardly matter, as of rows that weight decay has emptied.
    """
    parts = [
        part.flatten(0, -2) for part in split_groups(weight.detach().double(), quantizer) if part.numel()
    ]
    found = [_plain_scales(groups, quantizer) for groups in parts]
    scale, offset = (torch.cat(of_parts) for of_parts in zip(*found, strict=True))
    if scale.max() > torch.finfo(torch.float16).max:
        raise _too_large(weight)
    lowest = LOWEST_OF.get(quantizer.method, LOWEST)
    lost = (scale > 0) & ((scale < lowest) | (offset > FARTHEST))
    if not lost.any():
        return None
    squares = torch.cat([groups.square().sum(dim=1) for groups in parts])
    share = float(squares[lost].sum() / squares.sum())
    what = (
        f"{int(lost.sum())} of its {len(lost)} groups need scales as small as {float(scale[lost].min()):.2g}"
    )
    if (far := float(offset[lost].max())) > FARTHEST:
        what += f", or lie as far as {far:.0f} steps from zero"
    if share > MATTERS:
        remedy = "Make its weights larger and those that undo it smaller, or leave this variant out."
        raise UserError(f"{what}, which {quantizer.method} with float16 cannot store. {remedy}")
    return f"{what}, and are stored coarsely; they hold {share:.1g} of the squares of its weights"


def _plain_scales(groups: Tensor, quantizer: Quantizer) -> tuple[Tensor, Tensor]:
    """The scales (n,) that take groups (n, size) from end to end, and how many steps from zero a zero point is.

    Scales that a method looks for are of this size.
    """
    low, high = groups.amin(dim=1), groups.amax(dim=1)
    steps = 2**quantizer.bits - 1
    if METHODS[quantizer.method].zero_point == "always":
        scale = (high - low) / steps  # 0 where all are equal, which needs no zero point
        return scale, torch.where(scale > 0, -low / scale, 0.0).abs()
    if quantizer.zero_point:
        return (high.clamp_min(0) - low.clamp_max(0)) / steps, torch.zeros_like(low)
    steps = LARGEST.get(quantizer.method, 2 ** (quantizer.bits - 1) - 1)
    return torch.maximum(-low, high) / steps, torch.zeros_like(low)


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
