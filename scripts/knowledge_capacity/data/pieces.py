"""Biographies as sequences of pieces: stretches of text that are tokenised once and then only gathered.

A piece is a literal of a template, a name, a pronoun or a value, with the space before it. Every token of a
piece carries a term, which says what the metric makes of it; so spans come from construction and are never
searched for in text.
"""

import itertools
from collections.abc import Iterable
from enum import IntEnum

import torch
from torch import Tensor

from ..specs import BioD, BioS, Dataset
from . import pools
from .counter import MASK, below
from .people import strings
from .words.templates import TEMPLATES

EMPTY = 0
END = 1


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


ATTRIBUTES = tuple(TEMPLATES)
EMPLOYER, WORK_CITY = ATTRIBUTES.index("employer"), ATTRIBUTES.index("work_city")
ORDERS = torch.tensor(list(itertools.permutations(range(len(ATTRIBUTES)))))


class Pieces:
    """All pieces of a dataset: texts, and the term of each."""

    def __init__(self) -> None:
        self.texts = ["", ""]
        self.terms = [Term.NONE, Term.NONE]

    def add(self, text: str, term: Term = Term.NONE) -> int:
        """The number of a new piece."""
        self.texts.append(text)
        self.terms.append(term)
        return len(self.texts) - 1

    def pool(self, texts: Iterable[str], term: Term = Term.NONE) -> Tensor:
        """The numbers of new pieces, with a space before each."""
        return torch.tensor([self.add(f" {text}", term) for text in texts])

    def names(self, dataset: Dataset) -> list[Tensor]:
        """The numbers of first names (which open a biography: no space before), middle and last names."""
        first, *others = (pools.values(dataset.pools)[field] for field in pools.NAME_FIELDS)
        opening = torch.tensor([self.add(text, Term.NAME) for text in first])
        return [opening, *(self.pool(texts, Term.NAME) for texts in others)]


class BioSPieces:
    """The pieces of bioS, and how six sentences about a person are put together from them."""

    def __init__(self, dataset: BioS, seed: int) -> None:
        del seed  # unlike bioD, the same pieces serve every seed
        self.pieces = Pieces()
        self.templates = dataset.templates
        pool, texts = self.pieces.pool, pools.values(dataset.pools)
        self.names = self.pieces.names(dataset)
        self.date = [
            pool(texts["birth_month"], Term.BIRTH_DATE),
            pool((f"{day}," for day in texts["birth_day"]), Term.BIRTH_DATE),
            pool(texts["birth_year"], Term.BIRTH_DATE),
        ]
        self.facts = [
            pool(texts["birth_city"], Term.BIRTH_CITY),
            pool(texts["university"], Term.UNIVERSITY),
            pool(texts["major"], Term.MAJOR),
            pool(texts["employer"], Term.EMPLOYER),
        ]
        headquarters = torch.tensor(pools.headquarters(dataset.pools))
        self.work_city = pool(texts["birth_city"], Term.WORK_CITY)[headquarters]
        capitalised = [pronoun.capitalize() for pronoun in texts["pronoun"]]
        # the pronoun is scored where it stands first
        self.first_pronoun, self.later_pronoun = pool(capitalised, Term.PRONOUN), pool(capitalised)
        halves = [
            [t.removeprefix("{subject}").split("{value}") for t in TEMPLATES[a][: self.templates]]
            for a in ATTRIBUTES
        ]
        # by [attribute][template]: what stands between subject and value, and what follows the value
        self.before = torch.tensor([[self.pieces.add(half[0].rstrip()) for half in row] for row in halves])
        self.after = torch.tensor([[self.pieces.add(half[1]) for half in row] for row in halves])

    def wording(self, random: Tensor) -> tuple[Tensor, Tensor]:
        """Sentence order and templates, int64 (n, 6) each, from random words (n, 4)."""
        order = ORDERS[below(random[:, 0], len(ORDERS))]
        templates = []
        for word in (random[:, 1], random[:, 2]):
            # what multiplying leaves below 2^32 is itself uniform, and serves the next draw
            for _ in range(3):
                templates.append(below(word, self.templates))
                word = (word * self.templates) & MASK
        return order, torch.stack(templates, dim=1)

    def compose(self, people: Tensor, order: Tensor, templates: Tensor) -> Tensor:
        """Piece numbers (n, 39) of the biographies of `people` (n, 11), sentences in the given order."""
        n = len(people)
        none = torch.full((n,), EMPTY)
        first, middle, last, month, day, year, *facts, pronoun = people.unbind(dim=1)
        values = [
            torch.stack([part[code] for part, code in zip(self.date, (month, day, year), strict=True)], 1)
        ]
        values += [torch.stack([p[code], none, none], 1) for p, code in zip(self.facts, facts, strict=True)]
        values += [torch.stack([self.work_city[facts[-1]], none, none], 1)]
        by_attribute = torch.stack(values, dim=1)

        columns = []
        for place in range(len(ATTRIBUTES)):
            attribute = order[:, place]
            template = templates.gather(1, attribute[:, None])[:, 0]
            if place == 0:
                columns += [part[code] for part, code in zip(self.names, (first, middle, last), strict=True)]
            else:
                columns += [(self.first_pronoun if place == 1 else self.later_pronoun)[pronoun]]
            value = by_attribute[torch.arange(n), attribute]
            columns += [self.before[attribute, template], *value.unbind(1), self.after[attribute, template]]
        return torch.stack([*columns, torch.full((n,), END)], dim=1)


class BioDPieces:
    """The pieces of bioD, and how one sentence per attribute is put together from them."""

    def __init__(self, dataset: BioD, seed: int) -> None:
        self.pieces = Pieces()
        self.dataset = dataset
        add = self.pieces.add
        self.names = self.pieces.names(dataset)
        self.possessive, self.pronoun = add("'s"), add(" Their")
        self.comma, self.period = add(","), add(".")
        self.labels = torch.tensor([add(f" ID {k + 1} is") for k in range(dataset.attributes)])
        sets = [
            ["".join(map(symbol_text, string)) for string in one] for one in strings(dataset, seed).tolist()
        ]
        # by [first chunk or not][attribute][position in the attribute's set]
        self.chunks = torch.tensor(
            [
                [[add(text, term) for text in one] for one in sets]
                for term in (Term.OTHER_CHUNKS, Term.FIRST_CHUNK)
            ]
        )

    def wording(self, random: Tensor) -> tuple[Tensor, Tensor]:
        """The order of the attributes, int64 (n, K), from random words (n, K); there is one template only."""
        order = random.argsort(dim=1)
        return order, torch.zeros_like(order)

    def compose(self, people: Tensor, order: Tensor, templates: Tensor) -> Tensor:
        """Piece numbers, a row each, of the biographies of `people`, attributes in the given order."""
        n, k, c = len(people), self.dataset.attributes, self.dataset.chunks
        none = torch.full((n,), EMPTY)
        name = torch.stack([part[people[:, i]] for i, part in enumerate(self.names)], 1)
        pronoun = torch.stack([torch.full((n,), self.pronoun), none, none], 1)
        values = people[:, 3:].view(n, k, c)
        first = torch.zeros(c, dtype=torch.long)
        first[0] = 1
        separators = torch.tensor([self.comma] * (c - 1) + [self.period])
        sentences = []
        for place in range(k):
            attribute = order[:, place]
            chosen = values[torch.arange(n), attribute]
            chunks = self.chunks[first, attribute[:, None], chosen]
            possessive = torch.full((n, 1), self.possessive if place == 0 else EMPTY)
            listed = torch.stack([chunks, separators.expand(n, c)], dim=2).view(n, 2 * c)
            sentences += [
                name if place == 0 else pronoun,
                possessive,
                self.labels[attribute][:, None],
                listed,
            ]
        return torch.cat([*sentences, torch.full((n, 1), END)], dim=1)


def pieces_of(dataset: Dataset, seed: int) -> BioSPieces | BioDPieces:
    """The pieces of a dataset; bioD's strings depend on the seed."""
    return BioSPieces(dataset, seed) if isinstance(dataset, BioS) else BioDPieces(dataset, seed)


def all_texts(dataset: Dataset) -> list[str]:
    """Every text a tokenizer of this dataset has to know, whatever the seed."""
    texts = pieces_of(dataset, seed=0).pieces.texts
    if isinstance(dataset, BioD):
        return [*texts, *(symbol_text(symbol) for symbol in range(dataset.symbols))]
    return texts


def symbol_text(symbol: int) -> str:
    """A symbol of bioD's alphabet as a word."""
    return f" s{symbol}"


def n_random_words(dataset: Dataset) -> int:
    """How many random words the wording of one biography takes."""
    return 4 if isinstance(dataset, BioS) else dataset.attributes
