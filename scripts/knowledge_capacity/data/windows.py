"""Cutting the stream into training windows, each token a target exactly once per exposure."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .stream import Stream

IGNORED = -100  # the target that a loss leaves out (torch's default `ignore_index`)
REFILL_TOKENS = 1 << 18  # made at once: fewer would spend their time on calls, more on memory


@dataclass(frozen=True)
class Cursor:
    """Where the next target stands: `offset` tokens into biography number `biography`."""

    biography: int = 0
    offset: int = 0


class Windows:
    """Batches of consecutive windows from `exposures` passes over the people, until the stream ends.

    Windows start wherever the one before ended, so biographies are cut at random places. The input at the
    very start is the end-of-text token; the last batch is filled up with ignored targets.
    """

    def __init__(
        self, stream: Stream, exposures: int, batch_size: int, window: int, cursor: Cursor = Cursor()
    ) -> None:
        self.stream, self.shape = stream, (batch_size, window)
        self.n_biographies = exposures * stream.dataset.n_people
        self._refill = int(max(REFILL_TOKENS, batch_size * window) / stream.mean_length()) + 1
        self._first = self._next = cursor.biography  # numbers of the first and after the last in the buffer
        self._tokens = self._lengths = torch.zeros(0, dtype=torch.long)
        self._used = 0
        self._previous = torch.tensor([stream.end_token])
        if cursor.offset:
            self._fill(cursor.offset)
            self._take(cursor.offset)

    def next(self) -> tuple[Tensor, Tensor] | None:
        """Inputs and targets, int64 (batch_size, window) each, or None when every exposure was given."""
        size = self.shape[0] * self.shape[1]
        self._fill(size)
        previous = self._previous
        taken = self._take(size)
        if not len(taken):
            return None
        inputs = torch.cat([previous, taken])[: len(taken)]
        missing = size - len(taken)
        if missing:
            inputs = torch.cat([inputs, inputs.new_full((missing,), self.stream.end_token)])
            taken = torch.cat([taken, taken.new_full((missing,), IGNORED)])
        return inputs.view(self.shape), taken.view(self.shape)

    def cursor(self) -> Cursor:
        """Where the next batch begins; a new `Windows` from here gives the same batches."""
        whole = self._whole()
        return Cursor(self._first + whole, self._used - int(self._lengths[:whole].sum()))

    def _whole(self) -> int:
        """How many biographies at the front of the buffer are used up."""
        return int(torch.searchsorted(self._lengths.cumsum(0), self._used, right=True))

    def _take(self, size: int) -> Tensor:
        taken = self._tokens[self._used : self._used + size]
        self._used += len(taken)
        if len(taken):
            self._previous = taken[-1:]
        return taken

    def _fill(self, size: int) -> None:
        """Have `size` unused tokens in the buffer, or all that are left."""
        while len(self._tokens) - self._used < size and self._next < self.n_biographies:
            whole = self._whole()
            spent = int(self._lengths[:whole].sum())
            stop = min(self._next + self._refill, self.n_biographies)
            more = self.stream.assemble(self.stream.pieces(self._next, stop))
            self._tokens = torch.cat([self._tokens[spent:], more.tokens])
            self._lengths = torch.cat([self._lengths[whole:], more.lengths])
            self._first, self._next, self._used = self._first + whole, stop, self._used - spent
