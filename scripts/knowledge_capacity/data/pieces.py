"""Biographies as sequences of phrases: stretches of text that are tokenised once and then only gathered.

A unit is a literal of a template, a name, a pronoun or a value, with the space before it, and is tokenised by
itself. A phrase is one unit or several; a biography is a row of phrase numbers. Every token carries the term
of its unit, which says what the metric makes of it; so spans come from construction and are never searched
for in text.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

import torch
from tokenizers import Tokenizer
from torch import Tensor

from ..files import UserError
from ..specs import Pools
from . import pools

END = 0  # the phrase, and the unit, that is the end-of-text token
DOMAIN = 1  # likewise, the token that tells the domain of a biography
EMPTY = 2  # likewise, nothing
END_OF_TEXT = "<|endoftext|>"
DOMAIN_TOKEN = "<|domain|>"


class Term(IntEnum):
    """What a token tells: nothing that counts, or part of one of the facts."""

    NONE = 0
    NAME = 1
    BIRTH_DATE = 2
    BIRTH_CITY = 3
    UNIVERSITY = 4
    MAJOR = 5
    EMPLOYER = 6
    WORK_CITY = 7
    PRONOUN = 8
    FIRST_CHUNK = 9
    OTHER_CHUNKS = 10
    LATE_EMPLOYER = 11  # given where a text tells the city of work first, which gives the employer away


Segments = list[tuple[str, Term]]


@dataclass(frozen=True)
class TokenTables:
    """The tokens of all phrases, one after the other, with their terms; where each starts, and its length."""

    tokens: Tensor
    terms: Tensor
    start: Tensor
    length: Tensor


def unknown_word_error(tokenizer: str, error: Exception) -> UserError:
    """The error that a tokenizer does not know the words that it would have to write."""
    reason = f"it cannot write the texts of this dataset ({error})"
    return UserError(f"tokenizer {tokenizer}: {reason}. Name the dataset that it was made for.")


class Pieces:
    """All units and phrases of a dataset. Tensors are made on torch's default device."""

    def __init__(self) -> None:
        self.texts = ["", "", ""]
        self.terms = [Term.NONE, Term.NONE, Term.NONE]
        self._phrases = [torch.tensor([[END], [DOMAIN], [EMPTY]])]
        self._n_phrases = 3

    def unit(self, text: str, term: Term = Term.NONE) -> int:
        """The number of a new unit."""
        self.texts.append(text)
        self.terms.append(term)
        return len(self.texts) - 1

    def pool(self, texts: Iterable[str], term: Term = Term.NONE) -> Tensor:
        """The numbers of new units, with a space before each."""
        return torch.tensor([self.unit(f" {text}", term) for text in texts])

    def phrases(self, *units: Tensor) -> Tensor:
        """Numbers of new phrases, each made of the units at one place of the tensors, which are broadcast.

        Neighbouring places have neighbouring numbers: the number at (i, j) of (I, J) is the first + i·J + j.
        """
        rows = torch.stack(torch.broadcast_tensors(*units), dim=-1)
        first, self._n_phrases = self._n_phrases, self._n_phrases + rows[..., 0].numel()
        self._phrases.append(rows.flatten(0, -2))
        return torch.arange(first, self._n_phrases).view(rows.shape[:-1])

    def names(self, of: Pools) -> list[Tensor]:
        """Phrases of first names (which open a biography: no space before), middle and last names."""
        first, *others = (pools.pool_values(of)[field] for field in pools.NAME_FIELDS)
        opening = torch.tensor([self.unit(text, Term.NAME) for text in first])
        return [self.phrases(part) for part in (opening, *(self.pool(texts, Term.NAME) for texts in others))]

    def segments(self, phrase: int) -> Segments:
        """The text and term of each unit of a phrase; none for END, DOMAIN and EMPTY."""
        for block in self._phrases:
            if phrase < len(block):
                break
            phrase -= len(block)
        return [(self.texts[unit], self.terms[unit]) for unit in block[phrase].tolist() if self.texts[unit]]

    def tables(self, tokenizer: Tokenizer) -> TokenTables:
        """All phrases, tokenised. Raises UserError for a tokenizer that does not know their words."""
        try:
            ids = [found.ids for found in tokenizer.encode_batch(self.texts, add_special_tokens=False)]
        except Exception as error:  # the library raises plain Exception for a word that it does not know
            raise unknown_word_error("of this run", error) from error
        vocabulary = tokenizer.get_vocab()
        ids[END] = [vocabulary[END_OF_TEXT]]
        ids[DOMAIN] = [vocabulary[DOMAIN_TOKEN]] if DOMAIN_TOKEN in vocabulary else []
        length = torch.tensor([len(one) for one in ids])
        start = length.cumsum(0) - length
        tokens = torch.tensor([token for one in ids for token in one], dtype=torch.int32)
        terms = torch.tensor([int(term) for term in self.terms], dtype=torch.int8).repeat_interleave(length)
        # the same for phrases, by looking up the tokens of their units
        units = torch.cat([block.flatten() for block in self._phrases])
        in_units = length[units]
        source = (start[units] - in_units.cumsum(0) + in_units).repeat_interleave(in_units)
        source += torch.arange(len(source), device=source.device)
        in_phrases = torch.cat([length[block].sum(dim=1) for block in self._phrases])
        return TokenTables(tokens[source], terms[source], in_phrases.cumsum(0) - in_phrases, in_phrases)
