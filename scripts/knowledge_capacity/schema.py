"""The keys of a configuration and their types; `problems` says what else must hold between them."""

import re
from dataclasses import dataclass, field, fields
from typing import Annotated, Any

from annotated_types import Ge, Lt, MinLen
from pydantic import Field

from . import paper
from .specs import (
    FAMILIES,
    FULL_PRECISION,
    STRICT,
    AnyArchitecture,
    Architecture,
    Count,
    Dataset,
    Positive,
    Quantizer,
    Questions,
    Recipe,
)

STANDARD_ARCHITECTURE = re.compile(rf"({'|'.join(FAMILIES)})-([1-9][0-9]*)-([1-9][0-9]*)")


@dataclass(frozen=True)
class Grid:
    """Every combination of the named datasets, architectures and recipes."""

    __pydantic_config__ = STRICT

    datasets: Annotated[list[str], MinLen(1)]
    architectures: Annotated[list[str], MinLen(1)]
    recipes: Annotated[list[str], MinLen(1)]


@dataclass(frozen=True)
class Experiment:
    """The runs and variants that one figure needs."""

    __pydantic_config__ = STRICT

    grids: Annotated[list[Grid], MinLen(1)]
    seeds: Annotated[list[Annotated[int, Ge(0), Lt(2**31)]], MinLen(1)]
    variants: Annotated[list[str], MinLen(1)]


@dataclass(frozen=True)
class Recipes(Recipe):
    """A recipe, and other learning rates to train with as well; the best of them counts."""

    other_lrs: list[Positive] = field(default_factory=list)

    def each(self) -> list[Recipe]:
        """One recipe for each learning rate."""
        same = {f.name: getattr(self, f.name) for f in fields(Recipe)}
        return [Recipe(**{**same, "lr": lr}) for lr in (self.lr, *self.other_lrs)]


@dataclass(frozen=True)
class Config:
    """The configuration, key by key. An experiment set to null in an overlay is left out.

    source: where measurements that were made before are, if these take the place of the study's own runs.
    scored_people: at most so many people of each dataset are scored and stand for all; null scores all.
    """

    __pydantic_config__ = STRICT

    datasets: dict[str, Annotated[Dataset, Field(discriminator="kind")]]
    architectures: dict[str, Annotated[AnyArchitecture, Field(discriminator="kind")]]
    recipes: dict[str, Recipes]
    quantizers: dict[str, Quantizer]
    experiments: dict[str, Experiment | None]
    scored_people: Count | None = None
    source: str | None = None
    extractions: dict[str, Questions] = field(default_factory=dict)

    def architecture(self, name: str) -> AnyArchitecture | None:
        """The architecture of a name: an entry's, or a standard one's."""
        return self.architectures.get(name) or standard_architecture(name)

    def variant(self, name: str) -> str:
        """What measurements call a variant that experiments call by this name."""
        if name == FULL_PRECISION:
            return name
        return (self.quantizers.get(name) or self.extractions[name]).slug

    def each(self, name: str, dataset: Dataset, architecture: AnyArchitecture) -> list[Recipe]:
        """The recipes of a name. Raises paper.NoSetting where one of the paper's does not fit the dataset."""
        entry = self.recipes.get(name)
        return entry.each() if entry else paper.recipes(name, dataset, architecture)


def standard_architecture(name: str) -> Architecture | None:
    """FAMILY-ℓ-h, such as gpt2-2-1: ℓ layers and h heads of 64 dimensions; None for any other name."""
    match = STANDARD_ARCHITECTURE.fullmatch(name)
    if not match:
        return None
    layers, heads = int(match[2]), int(match[3])
    family: Any = match[1]
    return Architecture(layers=layers, heads=heads, width=64 * heads, family=family)
