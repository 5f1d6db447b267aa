"""Runs: one trained model each."""

import json
from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import Ge, Lt

from .architectures import AnyArchitecture, architecture_from
from .datasets import KINDS, Dataset, Pools
from .recipes import Junk, Quantizer, Recipe


@dataclass(frozen=True)
class Run:
    """One trained model: dataset × architecture × recipe × seed.

    The seed draws everything anew: people, order, wording and initial weights.
    """

    dataset: Dataset
    architecture: AnyArchitecture
    recipe: Recipe
    seed: Annotated[int, Ge(0), Lt(2**31)]

    @property
    def slug(self) -> str:
        return f"{self.dataset.slug}/{self.architecture.slug}/{self.recipe.slug}/seed{self.seed}"


def dataset_from(values: dict[str, Any]) -> Dataset:
    """The dataset spec that `to_json` wrote."""
    pools = {"pools": Pools(**values["pools"])} if "pools" in values else {}
    return KINDS[values["kind"]](**{**values, **pools})


def recipe_from(values: dict[str, Any]) -> Recipe:
    """The recipe spec that `to_json` wrote."""
    parts = {"junk": Junk, "qat": Quantizer}
    return Recipe(
        **{**values, **{name: part(**values[name]) for name, part in parts.items() if values.get(name)}}
    )


def run_from(text: str) -> Run:
    """The run that `to_json` wrote."""
    values = json.loads(text)
    return Run(
        dataset=dataset_from(values["dataset"]),
        architecture=architecture_from(values["architecture"]),
        recipe=recipe_from(values["recipe"]),
        seed=values["seed"],
    )
