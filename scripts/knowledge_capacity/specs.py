"""The nouns of the study: what a dataset, an architecture, a recipe, a quantizer and a run are.

A spec is a frozen dataclass of plain values. It travels from the configuration to a job as JSON, and it
names its folder under results/: the slug spells out what people look for and whatever differs from the
paper's setting (pool sizes as a digest). So two specs that differ never share a path, and the paper's own
settings have the short names.

Limits of single fields stand here as annotations; `study` checks them, and everything that takes several
fields to decide.
"""

import hashlib
import json
import math
import re
from dataclasses import asdict, dataclass, fields
from decimal import Decimal
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Lt

WORD_LEVEL = "word"  # the tokenizer with one token for each word
BYTE_PAIR = re.compile(r"bpe-([1-9][0-9]*)")  # one trained on the dataset, with so many tokens
FULL_PRECISION = "fp32"  # the variant that is a run's weights as trained
STRICT = {"extra": "forbid", "strict": True}  # no unknown keys, no numbers out of words

Count = Annotated[int, Ge(1)]
Positive = Annotated[float, Gt(0), Lt(math.inf)]


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
class BioS:
    """bioS(N): six sentences about each of N people, wording and order drawn anew at every exposure."""

    __pydantic_config__ = STRICT

    n_people: Count
    kind: Literal["bioS"] = "bioS"
    pools: Pools = Pools()
    templates: Annotated[int, Ge(1), Le(50)] = 50
    tokenizer: str = WORD_LEVEL

    @property
    def bits_value(self) -> float:
        """log2 S0: bits per person held by the six counted attributes."""
        p = self.pools
        return sum(
            math.log2(n)
            for n in (2, 12 * 28 * p.birth_years, p.cities, p.universities, p.majors, p.employers)
        )

    @property
    def bits_max(self) -> float:
        """Bits in the whole dataset: N·log2(N0/N) + N·log2(S0)."""
        return self.n_people * (math.log2(self.pools.names / self.n_people) + self.bits_value)

    @property
    def slug(self) -> str:
        name = f"bioS-{_thousands(self.n_people)}"
        return name + _departures(self, templates="templates") + _data_slug(self)


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

    @property
    def slug(self) -> str:
        shape = (
            f"K{self.attributes}-C{self.chunks}-D{self.diversity}-L{self.length}-T{_thousands(self.symbols)}"
        )
        return f"bioD-{_thousands(self.n_people)}-{shape}" + _data_slug(self)


Dataset = BioS | BioD


@dataclass(frozen=True)
class Architecture:
    """A decoder: `family` names its parts; layers, heads and width give its size (GPT2-ℓ-h has width 64h)."""

    __pydantic_config__ = STRICT

    layers: Count
    heads: Count
    width: Count
    family: Literal["gpt2"] = "gpt2"

    @property
    def slug(self) -> str:
        name = f"{self.family}-{self.layers}-{self.heads}"
        return name if self.width == 64 * self.heads else f"{name}-d{self.width}"


@dataclass(frozen=True)
class Recipe:
    """How a model is trained: exposures, optimiser, schedule and batch."""

    __pydantic_config__ = STRICT

    exposures: Count
    lr: Positive
    weight_decay: Annotated[float, Ge(0), Lt(1)] = 0.01
    batch_size: Count = 192
    window: Annotated[int, Ge(8), Le(4096)] = 512
    warmup_steps: Annotated[int, Ge(0)] = 1000

    @property
    def slug(self) -> str:
        name = f"exposures{self.exposures}-lr{Decimal(repr(self.lr)).normalize():e}"
        return name + _departures(
            self, weight_decay="wd", batch_size="batch", window="window", warmup_steps="warmup"
        )


@dataclass(frozen=True)
class Quantizer:
    """A way of storing the weights of a trained model in fewer bits."""

    __pydantic_config__ = STRICT

    bits: Annotated[int, Ge(2), Le(8)]
    method: Literal["rtn"] = "rtn"
    group_size: Annotated[int, Ge(0)] = 0

    @property
    def slug(self) -> str:
        name = f"int{self.bits}-{self.method}"
        return f"{name}-group{self.group_size}" if self.group_size else name


@dataclass(frozen=True)
class Run:
    """One trained model: dataset × architecture × recipe × seed.

    The seed draws everything anew: people, order, wording and initial weights.
    """

    dataset: Dataset
    architecture: Architecture
    recipe: Recipe
    seed: Annotated[int, Ge(0), Lt(2**31)]

    @property
    def slug(self) -> str:
        return f"{self.dataset.slug}/{self.architecture.slug}/{self.recipe.slug}/seed{self.seed}"


def to_json(spec: Any) -> str:
    """The spec as one line of JSON, keys sorted, so that equal specs give equal text."""
    return json.dumps(asdict(spec), sort_keys=True)


def dataset_from(values: dict[str, Any]) -> Dataset:
    """The dataset spec that `to_json` wrote."""
    kinds: dict[str, type[BioS] | type[BioD]] = {"bioS": BioS, "bioD": BioD}
    return kinds[values["kind"]](**{**values, "pools": Pools(**values["pools"])})


def run_from(text: str) -> Run:
    """The run that `to_json` wrote."""
    values = json.loads(text)
    return Run(
        dataset=dataset_from(values["dataset"]),
        architecture=Architecture(**values["architecture"]),
        recipe=Recipe(**values["recipe"]),
        seed=values["seed"],
    )


def _thousands(count: int) -> str:
    """10000 → 10K, 1000000 → 1M; other counts stay as they are."""
    for size, letter in ((1_000_000, "M"), (1_000, "K")):
        if count % size == 0:
            return f"{count // size}{letter}"
    return str(count)


def _departures(spec: Any, **names: str) -> str:
    """The given fields that differ from their defaults, as "-name value" without the space."""
    values = {f.name: getattr(spec, f.name) for f in fields(spec) if getattr(spec, f.name) != f.default}
    return "".join(f"-{name}{_exact(values[field])}" for field, name in names.items() if field in values)


def _exact(number: float) -> str:
    """All digits of a number and no more: 192, 0.02, 0."""
    return str(int(number)) if number == int(number) else repr(number)


def _data_slug(dataset: Dataset) -> str:
    """What pools and tokenizer add to a dataset's slug: nothing for the paper's pools and one token a word.

    Pools add a short digest; a tokenizer that is named by folder or hub id, the end of its name and a digest.
    """
    text = ""
    if dataset.pools != Pools():
        text += f"-pools{_digest(to_json(dataset.pools))}"
    if BYTE_PAIR.fullmatch(dataset.tokenizer):
        text += f"-{dataset.tokenizer.replace('-', '')}"
    elif dataset.tokenizer != WORD_LEVEL:
        name = re.sub(r"[^A-Za-z0-9]", "", re.split(r"[/\\]", dataset.tokenizer.rstrip("/"))[-1])
        text += f"-{name}{_digest(dataset.tokenizer)}"
    return text


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:6]
