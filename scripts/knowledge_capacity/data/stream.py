"""The stream of biographies: a pure function of (dataset, seed, exposure, position).

Exposure e is one pass over all N people in a fresh order; biography number g = e·N + i is the i-th of
exposure e. Every biography ends with the end-of-text token. The token stream is these biographies one after
the other; any slice of it can be made again at any time, and no text is stored.
"""

from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import Tensor

from ..specs import Dataset
from .counter import Purpose, permute, words
from .pieces import EMPLOYER, END, WORK_CITY, BioDPieces, BioSPieces, n_random_words, pieces_of
from .tokenizer import END_OF_TEXT


@dataclass(frozen=True)
class Biographies:
    """Tokens (total,), the Term of each token (total,) and the length of each biography (n,), all int64."""

    tokens: Tensor
    terms: Tensor
    lengths: Tensor


class Stream:
    """All biographies of a dataset's people, tokenised.

    people: codes (n_people, fields) as `people.draw` gives them. seed: the run's seed.
    """

    def __init__(self, dataset: Dataset, people: Tensor, tokenizer: Tokenizer, seed: int) -> None:
        self.dataset, self.people, self.seed = dataset, people, seed
        self.composer = pieces_of(dataset, seed)
        self.texts = self.composer.pieces.texts
        self.end_token = tokenizer.get_vocab()[END_OF_TEXT]
        ids = [encoding.ids for encoding in tokenizer.encode_batch(self.texts, add_special_tokens=False)]
        ids[END] = [self.end_token]
        self._length = torch.tensor([len(one) for one in ids])
        self._start = self._length.cumsum(0) - self._length
        self._tokens = torch.tensor([token for one in ids for token in one])
        terms = torch.tensor([int(term) for term in self.composer.pieces.terms])
        self._terms = terms.repeat_interleave(self._length)

    def pieces(self, start: int, stop: int) -> Tensor:
        """Piece numbers (stop - start, columns) of biographies start..stop-1 of the training stream."""
        return training_pieces(self.composer, self.dataset, self.people, self.seed, start, stop)

    def probe_pieces(self, draw: int) -> Tensor:
        """Piece numbers of one fresh biography per person, for measuring.

        In bioS, even draws tell the employer before the city of work, and draw 2k + 1 is draw 2k with these
        two sentences exchanged. bioD ignores the difference.
        """
        composer, person = self.composer, torch.arange(self.dataset.n_people)
        turn = draw // 2 if isinstance(composer, BioSPieces) else draw
        random = words(self.seed, Purpose.PROBE, person, turn, n=n_random_words(self.dataset))
        order, templates = composer.wording(random)
        if isinstance(composer, BioSPieces):
            place = order.argsort(dim=1)
            early = torch.minimum(place[:, EMPLOYER], place[:, WORK_CITY])[:, None]
            late = torch.maximum(place[:, EMPLOYER], place[:, WORK_CITY])[:, None]
            leads, follows = (EMPLOYER, WORK_CITY) if draw % 2 == 0 else (WORK_CITY, EMPLOYER)
            order = order.scatter(1, early, leads).scatter(1, late, follows)
        return composer.compose(self.people, order, templates)

    def assemble(self, pieces: Tensor) -> Biographies:
        """The tokens of biographies given as piece numbers."""
        flat = pieces.flatten()
        length = self._length[flat]
        end = length.cumsum(0)
        shift = (self._start[flat] - (end - length)).repeat_interleave(length)
        source = shift + torch.arange(len(shift))
        return Biographies(self._tokens[source], self._terms[source], length.view_as(pieces).sum(dim=1))

    def text(self, pieces: Tensor) -> list[str]:
        """The same biographies as plain text, without the end-of-text token."""
        return plain_text(self.texts, pieces)

    def mean_length(self) -> float:
        """Tokens per biography, end-of-text included: the mean over one exposure, or its first 100,000."""
        pieces = self.pieces(0, min(self.dataset.n_people, 100_000))
        return float(self._length[pieces].sum(dim=1).double().mean())


def training_pieces(
    composer: BioSPieces | BioDPieces, dataset: Dataset, people: Tensor, seed: int, start: int, stop: int
) -> Tensor:
    """Piece numbers (stop - start, columns) of biographies start..stop-1 of a training stream."""
    number = torch.arange(start, stop)
    exposure, position = number // dataset.n_people, number % dataset.n_people
    person = permute(seed, Purpose.VISITING_ORDER, dataset.n_people, position, exposure)
    random = words(seed, Purpose.WORDING, number, n=n_random_words(dataset))
    return composer.compose(people[person], *composer.wording(random))


def plain_text(texts: list[str], pieces: Tensor) -> list[str]:
    """Biographies given as piece numbers as plain text, without the end-of-text token."""
    return ["".join(texts[piece] for piece in row if piece != END) for row in pieces.tolist()]
