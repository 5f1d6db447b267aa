"""What tests of windows share: all batches of a source, and that two sources go on alike."""

from collections.abc import Iterator

import torch
from knowledge_capacity.data.windows import Windows
from torch import Tensor


def batches(source: Windows) -> Iterator[tuple[Tensor, Tensor]]:
    """All batches that are left: inputs and targets."""
    while (batch := source.next()) is not None:
        yield batch


def assert_same_batches(one: Windows, other: Windows) -> None:
    """What is left of both is equal, batch by batch."""
    left, expected = list(batches(one)), list(batches(other))
    assert len(left) == len(expected)
    for ours, theirs in zip(left, expected, strict=True):
        assert torch.equal(ours[0], theirs[0])
        assert torch.equal(ours[1], theirs[1])
