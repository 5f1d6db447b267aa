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


def assert_same_taken(many: Windows, one: Windows, most: int) -> None:
    """Taking up to `most` batches at a time gives those of the other, and leaves the same cursor each time."""
    while len((taken := many.take(most))[0]):
        for inputs, targets in zip(*taken, strict=True):
            batch = one.next()
            assert batch is not None
            assert torch.equal(inputs, batch[0])
            assert torch.equal(targets, batch[1])
        assert one.ended or (len(taken[0]) == most and many.cursor() == one.cursor())
    assert one.next() is None
    assert many.ended
