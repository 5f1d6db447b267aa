"""The stream of biographies: a pure function of (dataset, seed, exposure, position), on any device.

Exposure e is one pass over all N people in a fresh order; biography number g = e·N + i is the i-th of
exposure e. Every biography ends with the end-of-text token. The token stream is these biographies one after
the other; any slice of it can be made again at any time, and no text is stored (but for bioR and bioG).
"""

from copy import copy
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TypeVar

import torch
from tokenizers import Tokenizer
from torch import Tensor

from ..specs import Afterwards, BioD, BioS, BioSSimple, Dataset, HeadStart, Junk, RandomStrings
from .bios import BioSSource
from .pieces import DOMAIN, EMPTY, END_OF_TEXT, Segments
from .stored import StoredSource
from .strings import BioDSource, RandomStringSource

Source = BioSSource | BioDSource | RandomStringSource | StoredSource
Number = TypeVar("Number", int, Tensor)
MEASURED = 100_000  # biographies, at most, that a mean length is taken over


class Lane(Enum):
    """A numbered sequence of biographies: the useful ones, the junk, or both mixed."""

    USEFUL = 0
    JUNK = 1
    MIXED = 2


@dataclass(frozen=True)
class TokenizedBiographies:
    """Tokens (total,) int32, the Term of each (total,) int8, and the length of each biography (n,) int64."""

    tokens: Tensor
    terms: Tensor
    lengths: Tensor


def make_source(dataset: Dataset, seed: int, people: Tensor, texts: Path | None = None) -> Source:
    """What tells about the people of a dataset, on the device that their codes are on.

    people: codes (n_people, fields) as `people.read_people` gives them. texts: of `stored.encode_rewrites`, for
    bioR and bioG.
    """
    with torch.device(people.device):
        match dataset:
            case BioS() | BioSSimple():
                return BioSSource(dataset, seed, people)
            case BioD():
                return BioDSource(dataset, seed, people)
            case RandomStrings():
                return RandomStringSource(dataset, seed, people)
        assert texts
        return StoredSource(dataset, seed, people, texts)


class Stream:
    """All biographies that a source tells, tokenised, and the junk that is mixed in.

    tokenizer: that of the dataset, with the domain token where `junk` asks for it. head_start: of a recipe; its
    exposures take the place of as many biographies at the start. afterwards: of a recipe; its other people follow after
    n_own biographies.
    """

    def __init__(
        self,
        source: Source,
        tokenizer: Tokenizer,
        junk: Junk | None = None,
        head_start: HeadStart | None = None,
        afterwards: Afterwards | None = None,
        n_own: int = 0,
    ) -> None:
        self.source, self.junk, self.dataset, self.seed = source, junk, source.dataset, source.seed
        self._head_start, self._afterwards, self._n_own = head_start, afterwards, n_own
        self.end_token = tokenizer.get_vocab()[END_OF_TEXT]
        with torch.device(source.device):
            tables = source.pieces.tables(tokenizer)
        self._tokens, self._terms = tables.tokens, tables.terms
        index = torch.int32 if len(tables.tokens) < 2**31 else torch.int64  # half the time
        self._start, self._length = tables.start.to(index), tables.length.to(index)

    @property
    def n_people_told(self) -> int:
        """Of how many people training tells: the dataset's own, those of the junk, and those who follow."""
        others = self.junk.people if self.junk else self._afterwards.people if self._afterwards else 0
        return self.dataset.n_people + others

    @property
    def n_afterwards(self) -> int:
        """How many biographies of other people follow after the dataset's own."""
        return self._afterwards.people * self._afterwards.exposures if self._afterwards else 0

    def about(self, source: Source) -> "Stream":
        """The same without junk, head start and others afterwards, about what another source of the same kind tells."""
        found = copy(self)
        found.source, found.dataset, found.seed = source, source.dataset, source.seed
        found.junk = found._head_start = found._afterwards = None
        return found

    def swap_end_token(self, token: int) -> None:
        """Have texts end with this token, and have that which ended them in its place."""
        swapped = self._tokens.clone()
        swapped[self._tokens == token], swapped[self._tokens == self.end_token] = self.end_token, token
        self._tokens, self.end_token = swapped, token

    def pieces(self, start: int, stop: int, lane: Lane = Lane.USEFUL) -> Tensor:
        """Phrase numbers (stop - start, columns) of biographies start..stop-1 of the training stream."""
        number = torch.arange(start, stop, device=self.source.device)
        if lane == Lane.USEFUL:
            return self._useful(number)
        assert self.junk
        if lane == Lane.JUNK:
            return self._junk(number)
        # evenly spread: among the first g biographies are ⌊g · share⌋ of junk
        junk_before, junk_after = (n_junk(self.junk, n) for n in (number, number + 1))
        is_junk = junk_after > junk_before
        useful = self._useful((number - junk_before)[~is_junk])
        mixed = useful.new_empty(len(number), useful.shape[1])
        mixed[~is_junk], mixed[is_junk] = useful, self._junk(junk_before[is_junk])
        return mixed

    def probe_pieces(self, draw: int, start: int = 0, stop: int | None = None) -> Tensor:
        """Phrase numbers of one biography of each of people start..stop-1 (to the last, without stop), as
        `probe` of the source makes it.
        """
        last = self.dataset.n_people if stop is None else stop
        return self._in_domain(
            self.source.probe(draw, torch.arange(start, last, device=self.source.device)), "useful"
        )

    def assemble(self, pieces: Tensor) -> TokenizedBiographies:
        """The tokens of biographies given as phrase numbers, with their terms."""
        where, lengths = self._where(pieces)
        return TokenizedBiographies(
            self._tokens.index_select(0, where), self._terms.index_select(0, where), lengths
        )

    def tokens(self, pieces: Tensor) -> tuple[Tensor, Tensor]:
        """The same without terms: tokens (total,) int32, lengths (n,) int64."""
        where, lengths = self._where(pieces)
        return self._tokens.index_select(0, where), lengths

    def lengths(self, pieces: Tensor) -> Tensor:
        """Tokens of each biography given as phrase numbers, end-of-text included, int64 (n,)."""
        return self._length[pieces].sum(dim=1)

    def segments(self, pieces: list[int]) -> Segments:
        """One biography, given as phrase numbers, as stretches of text with their terms."""
        return [segment for piece in pieces for segment in self.source.pieces.segments(piece)]

    def text(self, pieces: Tensor) -> list[str]:
        """Biographies as plain text, without end-of-text and domain tokens."""
        return ["".join(text for text, _ in self.segments(row)) for row in pieces.tolist()]

    def possible_tokens(self) -> Tensor:
        """All tokens that can occur, int32, in ascending order."""
        return self._tokens.unique()

    def mean_length(self, lane: Lane = Lane.USEFUL) -> float:
        """Tokens per biography, end-of-text included: the mean over one exposure, or its first 100,000."""
        pieces = self.pieces(0, min(self.dataset.n_people, MEASURED), lane)
        return float(self.lengths(pieces).double().mean())

    def _where(self, pieces: Tensor) -> tuple[Tensor, Tensor]:
        """Where the tokens of biographies stand in the tables, and how many each biography has."""
        flat = pieces.flatten()
        length, start = self._length.index_select(0, flat), self._start.index_select(0, flat)
        end = length.cumsum(0, dtype=torch.long)
        total = int(end[-1]) if len(end) else 0
        # one step ahead for every token, and a jump where the next phrase begins
        jump = start.clone()
        jump[1:] -= start[:-1] + length[:-1]
        jump[:1] -= 1
        step = torch.ones(total + 1, dtype=start.dtype, device=start.device)
        step.index_add_(0, end - length, jump)
        lengths = length.view_as(pieces).sum(dim=1)
        return step[:total].cumsum(0, dtype=start.dtype), lengths

    def _useful(self, number: Tensor) -> Tensor:
        if not (then := self._afterwards):
            return self._own(number)
        assert isinstance(self.source, BioSSource)
        late = number >= self._n_own  # in ascending order
        others = self.source.training(number[late] - self._n_own, then.people)
        return torch.cat([self._own(number[~late]), others])

    def _own(self, number: Tensor) -> Tensor:
        if not (first := self._head_start):
            return self._in_domain(self.source.training(number), "useful")
        assert isinstance(self.source, BioSSource)
        early = number < first.people * first.exposures  # in ascending order
        parts = [
            self.source.training(number[early], first_people=first.people),
            self.source.training(number[~early]),
        ]
        return self._in_domain(torch.cat(parts), "useful")

    def _junk(self, number: Tensor) -> Tensor:
        assert self.junk
        assert isinstance(self.source, BioSSource)
        return self._in_domain(self.source.training(number, self.junk.people), "junk")

    def _in_domain(self, pieces: Tensor, domain: str) -> Tensor:
        """With the domain token in front, where this domain has it."""
        if not self.junk or self.junk.domain_token == "none":
            return pieces
        mark = DOMAIN if self.junk.domain_token == domain else EMPTY
        return torch.cat([pieces.new_full((len(pieces), 1), mark), pieces], dim=1)


def n_junk(junk: Junk, n: Number) -> Number:
    """How many of the first n biographies (mixed windows) or windows (pure ones) are junk: ⌊n · share⌋."""
    top, bottom = junk.exact_share.as_integer_ratio()
    return n * top // bottom
