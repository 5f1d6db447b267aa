"""Datasets: people and their facts, and how much there is to know about them."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal

from annotated_types import Ge, Le, MinLen

from .base import (
    BYTE_PAIR,
    STRICT,
    WORD_LEVEL,
    Count,
    format_nondefaults,
    format_thousands,
    last_name_part,
    short_digest,
    to_json,
)


@dataclass(frozen=True)
class Pools:
    """How many different values each part of a bioS person is drawn from."""

    __pydantic_config__ = STRICT

    first_names: Annotated[int, Ge(1), Le(400)] = 400
    middle_names: Annotated[int, Ge(1), Le(400)] = 400
    last_names: Annotated[int, Ge(1), Le(1000)] = 1000
    birth_years: Annotated[int, Ge(1), Le(200)] = 200
    cities: Annotated[int, Ge(1), Le(200)] = 200
    universities: Annotated[int, Ge(1), Le(300)] = 300
    majors: Annotated[int, Ge(1), Le(100)] = 100
    employers: Annotated[int, Ge(1), Le(263)] = 263

    @property
    def names(self) -> int:
        """N0, the number of distinct full names."""
        return self.first_names * self.middle_names * self.last_names


@dataclass(frozen=True)
class Biography:
    """What every kind of biography holds: a name and six attributes of each of N people."""

    __pydantic_config__ = STRICT

    n_people: Count
    pools: Pools = Pools()
    tokenizer: str = WORD_LEVEL

    @property
    def choices(self) -> dict[str, int]:
        """How many values each of the six counted attributes may take."""
        p = self.pools
        return {
            "birth_date": 12 * 28 * p.birth_years,
            "birth_city": p.cities,
            "university": p.universities,
            "major": p.majors,
            "employer": p.employers,
            "pronoun": 2,
        }

    @property
    def bits_value(self) -> float:
        """log2 S0: bits per person held by the six counted attributes."""
        return sum(math.log2(n) for n in self.choices.values())

    @property
    def bits_max(self) -> float:
        """Bits in the whole dataset: N·log2(N0/N) + N·log2(S0)."""
        return self.n_people * (math.log2(self.pools.names / self.n_people) + self.bits_value)


@dataclass(frozen=True)
class BioS(Biography):
    """bioS(N): six sentences about each of N people, wording and order drawn anew at every exposure."""

    kind: Literal["bioS"] = "bioS"
    templates: Annotated[int, Ge(1), Le(50)] = 50

    @cached_property
    def slug(self) -> str:
        return _biography_slug(self, templates="templates")


@dataclass(frozen=True)
class BioSSimple(Biography):
    """bioS_simple(N): as bioS, but each person has one wording and order, the same at every exposure."""

    kind: Literal["bioS_simple"] = "bioS_simple"
    templates: Annotated[int, Ge(1), Le(50)] = 50

    @cached_property
    def slug(self) -> str:
        return _biography_slug(self, templates="templates")


@dataclass(frozen=True)
class BioG(Biography):
    """bioG(N): free-running prose from a grammar, `rewrites` texts about each person, told in turn."""

    kind: Literal["bioG"] = "bioG"
    rewrites: Annotated[int, Ge(1), Le(1000)] = 40

    @cached_property
    def slug(self) -> str:
        return _biography_slug(self, rewrites="rewrites")


@dataclass(frozen=True, kw_only=True)
class BioR(Biography):
    """bioR(N): as bioG, but the texts are written by a language model, named as its endpoint or folder is.

    guided: whether the model is led from fact to fact, and every value put in, rather than asked for a whole text.
    """

    model: Annotated[str, MinLen(1)]
    kind: Literal["bioR"] = "bioR"
    rewrites: Annotated[int, Ge(1), Le(1000)] = 40
    temperature: Annotated[float, Ge(0), Le(2)] = 1.0
    guided: bool = False

    @cached_property
    def slug(self) -> str:
        name = _biography_slug(self, rewrites="rewrites", temperature="temperature")
        how = "guided-" if self.guided else ""
        return f"{name}-{how}by-{last_name_part(self.model)}{short_digest(self.model)}"


@dataclass(frozen=True)
class BioD:
    """bioD(N, K, C, D, L, T): K attributes of C chunks, each one of D strings of L of T symbols."""

    __pydantic_config__ = STRICT

    n_people: Count
    kind: Literal["bioD"] = "bioD"
    attributes: Annotated[int, Ge(1), Le(50)] = 5
    chunks: Annotated[int, Ge(1), Le(50)] = 1
    diversity: Annotated[int, Ge(2), Le(10_000)] = 1000
    length: Annotated[int, Ge(1), Le(50)] = 4
    symbols: Annotated[int, Ge(2), Le(40_000)] = 1000
    pools: Pools = Pools()
    tokenizer: str = WORD_LEVEL

    @property
    def bits_set(self) -> float:
        """log2(T^L / D): bits per string that say which strings an attribute may take."""
        return self.length * math.log2(self.symbols) - math.log2(self.diversity)

    @property
    def bits_max(self) -> float:
        """Bits in the whole dataset: N·log2(N0/N) + N·K·C·log2 D + K·D·log2(T^L/D)."""
        names = self.n_people * math.log2(self.pools.names / self.n_people)
        values = self.n_people * self.attributes * self.chunks * math.log2(self.diversity)
        return names + values + self.attributes * self.diversity * self.bits_set

    @cached_property
    def slug(self) -> str:
        shape = f"K{self.attributes}-C{self.chunks}-D{self.diversity}-L{self.length}-T{format_thousands(self.symbols)}"
        return f"bioD-{format_thousands(self.n_people)}-{shape}" + _data_slug(self)


@dataclass(frozen=True)
class RandomStrings:
    """N different strings of `length` symbols, each drawn uniformly: nothing but what must be memorised."""

    __pydantic_config__ = STRICT

    n_strings: Count
    kind: Literal["random"] = "random"
    length: Annotated[int, Ge(1), Le(4096)] = 64
    symbols: Annotated[int, Ge(2), Le(40_000)] = 2048

    @property
    def n_people(self) -> int:
        """How many things an exposure tells about: here strings."""
        return self.n_strings

    @property
    def tokenizer(self) -> str:
        """One token a symbol, always."""
        return WORD_LEVEL

    @property
    def bits_string(self) -> float:
        """log2 T^L: bits of one string."""
        return self.length * math.log2(self.symbols)

    @property
    def bits_max(self) -> float:
        """Bits in the whole dataset: N·log2(T^L / N), since the order of the strings tells nothing."""
        return self.n_strings * (self.bits_string - math.log2(self.n_strings))

    @cached_property
    def slug(self) -> str:
        return f"random-{format_thousands(self.n_strings)}-L{self.length}-T{format_thousands(self.symbols)}"


Dataset = BioS | BioSSimple | BioG | BioR | BioD | RandomStrings
STORED = ("bioR", "bioG")  # the kinds whose texts are written before training
KINDS = {kind.kind: kind for kind in (BioS, BioSSimple, BioG, BioR, BioD, RandomStrings)}


def slug_without_size(dataset: Dataset) -> str:
    """The slug without how many people or strings there are."""
    return dataset.kind + dataset.slug.removeprefix(f"{dataset.kind}-{format_thousands(dataset.n_people)}")


def _biography_slug(dataset: BioS | BioSSimple | BioG | BioR, **names: str) -> str:
    size, others = format_thousands(dataset.n_people), format_nondefaults(dataset, **names)
    return f"{dataset.kind}-{size}{others}{_data_slug(dataset)}"


def _data_slug(dataset: Biography | BioD) -> str:
    """What pools and tokenizer add to a dataset's slug: nothing for the paper's pools and one token a word.

    Pools add a short digest; a tokenizer that is named by folder or hub id, the end of its name and a digest.
    """
    text = ""
    if dataset.pools != Pools():
        text += f"-pools{short_digest(to_json(dataset.pools))}"
    if BYTE_PAIR.fullmatch(dataset.tokenizer):
        text += f"-{dataset.tokenizer.replace('-', '')}"
    elif dataset.tokenizer != WORD_LEVEL:
        text += f"-{last_name_part(dataset.tokenizer)}{short_digest(dataset.tokenizer)}"
    return text
