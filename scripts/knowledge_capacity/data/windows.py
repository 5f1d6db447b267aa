"""Cutting the stream into training windows, each token a target exactly once per exposure."""

import math
from bisect import bisect_left
from dataclasses import dataclass

import torch
from torch import Tensor

from ..specs import Junk
from .stream import Lane, Stream, n_junk

IGNORED = -100  # the target that a loss leaves out (torch's default `ignore_index`)
REFILL_TOKENS = 1 << 19  # in a buffer: fewer would spend their time on calls, more on memory
MOST_BIOGRAPHIES = 1 << 13  # made at once: more would not fit the processor's cache
GPU_TIMES = 8  # as many of both on a GPU, which waits for the host at every refill


@dataclass(frozen=True)
class StreamPosition:
    """Where the next token stands: `offset` tokens into biography number `biography`."""

    biography: int = 0
    offset: int = 0


@dataclass(frozen=True)
class Cursor:
    """Where the next batch begins: in the useful or mixed lane; for pure junk, its place and which window."""

    useful: StreamPosition = StreamPosition()
    junk: StreamPosition = StreamPosition()
    window: int = 0


class Windows:
    """Batches of windows from `exposures` passes over the people, until their stream ends; None never ends.

    The stream ends with the other people whom it has afterwards, if it has any.

    A window starts wherever the one before of its lane ended, so biographies are cut at random places. The
    input at the very start is the end-of-text token; the last batch is filled up with ignored targets. With
    pure junk windows, those of the two lanes alternate, evenly spread: of the first w windows, ⌊w · share⌋
    are junk.
    """

    def __init__(
        self,
        stream: Stream,
        exposures: int | None,
        batch_size: int,
        window: int,
        cursor: Cursor = Cursor(),
    ) -> None:
        self.batch_size, self.window, self.device = batch_size, window, stream.source.device
        needed = None if exposures is None else exposures * stream.dataset.n_people + stream.n_afterwards
        self._junk = None
        self._pure = stream.junk if stream.junk and stream.junk.windows == "pure" else None
        if self._pure:
            self._useful = _TokenBuffer(stream, Lane.USEFUL, needed, cursor.useful)
            self._junk = _TokenBuffer(stream, Lane.JUNK, None, cursor.junk)
        elif stream.junk:
            needed = None if needed is None else n_mixed_biographies(stream.junk, needed)
            self._useful = _TokenBuffer(stream, Lane.MIXED, needed, cursor.useful)
        else:
            self._useful = _TokenBuffer(stream, Lane.USEFUL, needed, cursor.useful)
        self._window = cursor.window  # the number of the next one
        self.mean_length = self._useful.mean_length
        useful_share = 1 - (self._pure.share if self._pure else 0)
        self.expected_tokens = math.inf if needed is None else needed * self.mean_length / useful_share

    @property
    def ended(self) -> bool:
        """Whether every exposure was given; only the batch that was the last can hold ignored targets."""
        return self._useful.ended

    def next(self) -> tuple[Tensor, Tensor] | None:
        """Inputs and targets, int64 (batch_size, window) each, or None when every exposure was given."""
        return None if self.ended else self._rows(self.batch_size)

    def take(self, most: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets of the next n batches, int64 (n, batch_size, window) each: `most`, or all left."""
        useful_left = self._useful.available(most * self.batch_size * self.window)
        # a batch begins as long as useful tokens are left
        n = bisect_left(
            range(most), useful_left, key=lambda i: self._n_useful(i * self.batch_size) * self.window
        )
        inputs, targets = self._rows(n * self.batch_size)
        shape = n, self.batch_size, self.window
        return inputs.view(shape), targets.view(shape)

    def cursor(self) -> Cursor:
        """Where the next batch begins; a new `Windows` from here gives the same batches."""
        return Cursor(
            self._useful.place(), self._junk.place() if self._junk else StreamPosition(), self._window
        )

    def _rows(self, n: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets of the next n windows, int64 (n, window) each."""
        if not self._pure or not self._junk:
            return self._useful.rows(n, self.window)
        useful = self._n_useful(n)
        window = torch.arange(self._window, self._window + n, device=self.device)
        self._window += n
        is_junk = n_junk(self._pure, window + 1) > n_junk(self._pure, window)
        inputs, targets = torch.empty(2, n, self.window, dtype=torch.long, device=self.device)
        for tape, rows, many in ((self._junk, is_junk, n - useful), (self._useful, ~is_junk, useful)):
            inputs[rows], targets[rows] = tape.rows(many, self.window)
        return inputs, targets

    def _n_useful(self, n: int) -> int:
        """How many of the next n windows are not junk."""
        if not self._pure:
            return n
        return n - n_junk(self._pure, self._window + n) + n_junk(self._pure, self._window)


def n_mixed_biographies(junk: Junk, useful: int) -> int:
    """How many mixed biographies there are up to the `useful`-th that is useful."""
    total = int(useful / (1 - junk.exact_share))
    while total - n_junk(junk, total) < useful:
        total += 1
    while total - 1 - n_junk(junk, total - 1) >= useful:
        total -= 1
    return total


class _TokenBuffer:
    """The tokens of a lane, one after the other, made as they are needed."""

    def __init__(self, stream: Stream, lane: Lane, n_biographies: int | None, place: StreamPosition) -> None:
        """n_biographies: where the lane ends; None where it does not."""
        self.stream, self.lane, self.n_biographies = stream, lane, n_biographies
        self.mean_length = stream.mean_length(lane)
        self._first = self._next = place.biography  # numbers of the first and after the last in the buffer
        device = stream.source.device
        self._tokens = torch.zeros(0, dtype=torch.int32, device=device)
        self._lengths = torch.zeros(0, dtype=torch.long, device=device)
        self._used = 0
        self._previous = torch.tensor([stream.end_token], dtype=torch.int32, device=device)
        if place.offset:
            self._fill(place.offset)
            self._take(place.offset)

    @property
    def ended(self) -> bool:
        """Whether every token was given."""
        return self._used == len(self._tokens) and self._next == self.n_biographies

    def available(self, size: int) -> int:
        """How many tokens are left, of at least `size` if there are so many."""
        self._fill(size)
        return len(self._tokens) - self._used

    def rows(self, n: int, window: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets of the next n windows; after the end of the lane, targets are ignored."""
        size = n * window
        self._fill(size)
        previous = self._previous
        taken = self._take(size)
        inputs, targets = torch.cat([previous, taken])[: len(taken)].long(), taken.long()
        missing = size - len(taken)
        if missing:
            inputs = torch.cat([inputs, inputs.new_full((missing,), self.stream.end_token)])
            targets = torch.cat([targets, targets.new_full((missing,), IGNORED)])
        return inputs.view(n, window), targets.view(n, window)

    def place(self) -> StreamPosition:
        """Where the next token stands."""
        whole = self._whole()
        return StreamPosition(self._first + whole, self._used - int(self._lengths[:whole].sum()))

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
        if len(self._tokens) - self._used >= size or self._next == self.n_biographies:
            return
        whole = self._whole()
        spent = int(self._lengths[:whole].sum())
        tokens, lengths = [self._tokens[spent:]], [self._lengths[whole:]]
        self._first, self._used = self._first + whole, self._used - spent
        times = GPU_TIMES if self._tokens.is_cuda else 1
        have, enough = len(tokens[0]), self._used + max(size, times * REFILL_TOKENS)
        while have < enough and self._next != self.n_biographies:
            many = min(times * MOST_BIOGRAPHIES, int((enough - have) / self.mean_length) + 1)
            stop = self._next + many
            if self.n_biographies is not None:
                stop = min(stop, self.n_biographies)
            more, long = self.stream.tokens(self.stream.pieces(self._next, stop, self.lane))
            tokens.append(more)
            lengths.append(long)
            have, self._next = have + len(more), stop
        self._tokens, self._lengths = torch.cat(tokens), torch.cat(lengths)
