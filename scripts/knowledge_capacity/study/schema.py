"""The keys of a configuration and their types; `problems` says what else must hold between them."""

import re
from dataclasses import dataclass, field, fields
from itertools import product
from typing import Annotated, Any

from annotated_types import Ge, Lt, MinLen
from pydantic import Field

from ..specs import (
    FAMILIES,
    FULL_PRECISION,
    STRICT,
    AnyArchitecture,
    Architecture,
    Count,
    Dataset,
    Extraction,
    Positive,
    Quantizer,
    Recipe,
    paper,
)

STANDARD_ARCHITECTURE = re.compile(rf"({'|'.join(FAMILIES)})-([1-9][0-9]*)-([1-9][0-9]*)(?:-d([1-9][0-9]*))?")


Seeds = Annotated[list[Annotated[int, Ge(0), Lt(2**31)]], MinLen(1)]


@dataclass(frozen=True)
class Grid:
    """Every combination of the named datasets, architectures and recipes. seeds: its own, or the experiment's."""

    __pydantic_config__ = STRICT

    datasets: Annotated[list[str], MinLen(1)]
    architectures: Annotated[list[str], MinLen(1)]
    recipes: Annotated[list[str], MinLen(1)]
    seeds: Seeds | None = None


@dataclass(frozen=True)
class Experiment:
    """The runs and variants that one figure needs."""

    __pydantic_config__ = STRICT

    grids: Annotated[list[Grid], MinLen(1)]
    seeds: Seeds
    variants: Annotated[list[str], MinLen(1)]


@dataclass(frozen=True)
class RecipeSweep(Recipe):
    """A recipe, and other learning rates to train with as well; the best of them counts."""

    other_lrs: list[Positive] = field(default_factory=list)

    def each(self) -> list[Recipe]:
        """One recipe for each learning rate."""
        same = {f.name: getattr(self, f.name) for f in fields(Recipe)}
        return [Recipe(**{**same, "lr": lr}) for lr in (self.lr, *self.other_lrs)]


@dataclass(frozen=True)
class Config:
    """The configuration, key by key. An experiment set to null in an overlay is left out.

    only: the experiments that count, where not all do.
    seeds: how many seeds each experiment has, from 0 on, in place of its own; null leaves them as they are.
    source: where measurements that were made before are, if these take the place of the study's own runs.
    scored_people: at most so many people of each dataset are scored and stand for all; null scores all.
    """

    __pydantic_config__ = STRICT

    datasets: dict[str, Annotated[Dataset, Field(discriminator="kind")]]
    architectures: dict[str, Annotated[AnyArchitecture, Field(discriminator="kind")]]
    recipes: dict[str, RecipeSweep]
    quantizers: dict[str, Quantizer]
    experiments: dict[str, Experiment | None]
    scored_people: Count | None = None
    source: str | None = None
    only: list[str] | None = None
    seeds: Count | None = None
    extractions: dict[str, Extraction] = field(default_factory=dict)

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
        return entry.each() if entry else paper.paper_recipes(name, dataset, architecture)


def spread_families(tree: Any) -> None:
    """Put the architectures of grids that name `families` and `sizes` in their place, in a configuration as read.

    families: [llama, mistral] with sizes: [2-2, 4-2] are llama-2-2, llama-4-2, mistral-2-2 and mistral-4-2.
    """
    experiments = tree.get("experiments") if isinstance(tree, dict) else None
    for experiment in experiments.values() if isinstance(experiments, dict) else ():
        grids = experiment.get("grids") if isinstance(experiment, dict) else None
        for grid in grids if isinstance(grids, list) else ():
            if isinstance(grid, dict) and all(
                isinstance(grid.get(key), list) for key in ("families", "sizes")
            ):
                named = [
                    f"{family}-{size}" for family, size in product(grid.pop("families"), grid.pop("sizes"))
                ]
                grid["architectures"] = [*(grid.get("architectures") or []), *named]


def standard_architecture(name: str) -> Architecture | None:
    """FAMILY-ℓ-h or FAMILY-ℓ-h-dWIDTH: ℓ layers, h heads, of 64 dimensions without WIDTH; None for any other name."""
    match = STANDARD_ARCHITECTURE.fullmatch(name)
    if not match:
        return None
    layers, heads = int(match[2]), int(match[3])
    family: Any = match[1]
    return Architecture(layers=layers, heads=heads, width=int(match[4] or 64 * heads), family=family)
