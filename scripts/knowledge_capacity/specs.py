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
from fractions import Fraction
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Lt, MinLen

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
class Biography:
    """What every kind of biography holds: a name and six attributes of each of N people."""

    __pydantic_config__ = STRICT

    n_people: Count
    pools: Pools = Pools()
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


@dataclass(frozen=True)
class BioS(Biography):
    """bioS(N): six sentences about each of N people, wording and order drawn anew at every exposure."""

    kind: Literal["bioS"] = "bioS"
    templates: Annotated[int, Ge(1), Le(50)] = 50

    @property
    def slug(self) -> str:
        return _biography_slug(self, templates="templates")


@dataclass(frozen=True)
class BioSSimple(Biography):
    """bioS_simple(N): as bioS, but each person has one wording and order, the same at every exposure."""

    kind: Literal["bioS_simple"] = "bioS_simple"
    templates: Annotated[int, Ge(1), Le(50)] = 50

    @property
    def slug(self) -> str:
        return _biography_slug(self, templates="templates")


@dataclass(frozen=True)
class BioG(Biography):
    """bioG(N): free-running prose from a grammar, `rewrites` texts about each person, told in turn."""

    kind: Literal["bioG"] = "bioG"
    rewrites: Annotated[int, Ge(1), Le(1000)] = 40

    @property
    def slug(self) -> str:
        return _biography_slug(self, rewrites="rewrites")


@dataclass(frozen=True, kw_only=True)
class BioR(Biography):
    """bioR(N): as bioG, but the texts are written by a language model, named as its endpoint or folder is."""

    model: Annotated[str, MinLen(1)]
    kind: Literal["bioR"] = "bioR"
    rewrites: Annotated[int, Ge(1), Le(1000)] = 40
    temperature: Annotated[float, Ge(0), Le(2)] = 1.0

    @property
    def slug(self) -> str:
        name = _biography_slug(self, rewrites="rewrites", temperature="temperature")
        return f"{name}-by-{_last_part(self.model)}{_digest(self.model)}"


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

    @property
    def slug(self) -> str:
        return f"random-{_thousands(self.n_strings)}-L{self.length}-T{_thousands(self.symbols)}"


Dataset = BioS | BioSSimple | BioG | BioR | BioD | RandomStrings
STORED = ("bioR", "bioG")  # the kinds whose texts are written before training
KINDS = {kind.kind: kind for kind in (BioS, BioSSimple, BioG, BioR, BioD, RandomStrings)}


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
class Junk:
    """Biographies of other people, mixed into training: they cost tokens, and nobody asks about them.

    people: N', how many there are; few make repetitive junk. share: how much is junk, of all windows (pure)
    or of all biographies (mixed). windows: pure ones are cut wholly from useful or from junk biographies.
    domain_token: which biographies begin with a special token that tells their domain.
    """

    __pydantic_config__ = STRICT

    people: Count
    share: Annotated[float, Gt(0), Lt(1)] = 0.875
    windows: Literal["pure", "mixed"] = "pure"
    domain_token: Literal["none", "useful", "junk"] = "none"

    @property
    def exact_share(self) -> Fraction:
        """The share as a fraction of small whole numbers, so that counting never goes astray."""
        return Fraction(str(self.share)).limit_denominator(1_000_000)

    @property
    def slug(self) -> str:
        departures = _departures(self, share="share", windows="", domain_token="token-")
        return f"-junk{_thousands(self.people)}{departures}"


@dataclass(frozen=True)
class Recipe:
    """How a model is trained: exposures, optimiser, schedule, batch, and what junk is mixed in."""

    __pydantic_config__ = STRICT

    exposures: Count
    lr: Positive
    weight_decay: Annotated[float, Ge(0), Lt(1)] = 0.01
    batch_size: Count = 192
    window: Annotated[int, Ge(8), Le(4096)] = 512
    warmup_steps: Annotated[int, Ge(0)] = 1000
    junk: Junk | None = None

    @property
    def has_domain_token(self) -> bool:
        """Whether some biographies begin with a token that tells their domain."""
        return self.junk is not None and self.junk.domain_token != "none"

    @property
    def slug(self) -> str:
        name = f"exposures{self.exposures}-lr{Decimal(repr(self.lr)).normalize():e}"
        name += _departures(
            self, weight_decay="wd", batch_size="batch", window="window", warmup_steps="warmup"
        )
        return name + (self.junk.slug if self.junk else "")


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
    pools = {"pools": Pools(**values["pools"])} if "pools" in values else {}
    return KINDS[values["kind"]](**{**values, **pools})


def recipe_from(values: dict[str, Any]) -> Recipe:
    """The recipe spec that `to_json` wrote."""
    return Recipe(**{**values, "junk": Junk(**values["junk"]) if values.get("junk") else None})


def run_from(text: str) -> Run:
    """The run that `to_json` wrote."""
    values = json.loads(text)
    return Run(
        dataset=dataset_from(values["dataset"]),
        architecture=Architecture(**values["architecture"]),
        recipe=recipe_from(values["recipe"]),
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


def _exact(number: float | str) -> str:
    """All digits of a number and no more: 192, 0.02, 0; a word as it is."""
    if isinstance(number, str):
        return number
    return str(int(number)) if number == int(number) else repr(number)


def _biography_slug(dataset: BioS | BioSSimple | BioG | BioR, **names: str) -> str:
    return (
        f"{dataset.kind}-{_thousands(dataset.n_people)}{_departures(dataset, **names)}{_data_slug(dataset)}"
    )


def _data_slug(dataset: Biography | BioD) -> str:
    """What pools and tokenizer add to a dataset's slug: nothing for the paper's pools and one token a word.

    Pools add a short digest; a tokenizer that is named by folder or hub id, the end of its name and a digest.
    """
    text = ""
    if dataset.pools != Pools():
        text += f"-pools{_digest(to_json(dataset.pools))}"
    if BYTE_PAIR.fullmatch(dataset.tokenizer):
        text += f"-{dataset.tokenizer.replace('-', '')}"
    elif dataset.tokenizer != WORD_LEVEL:
        text += f"-{_last_part(dataset.tokenizer)}{_digest(dataset.tokenizer)}"
    return text


def _last_part(name: str) -> str:
    """Letters and digits of the end of a folder's name or hub id."""
    return re.sub(r"[^A-Za-z0-9]", "", re.split(r"[/\\]", name.rstrip("/"))[-1])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:6]
