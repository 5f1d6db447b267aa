"""Runs: one trained model each. A cell is all runs that differ in seed and learning rate alone."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, TypeVar

from annotated_types import Ge, Lt

from .architectures import AnyArchitecture, parse_architecture
from .base import list_values
from .datasets import KINDS, Dataset, Pools
from .recipes import Adapter, Afterwards, Base, HeadStart, Junk, Quantizer, Recipe

T = TypeVar("T")


@dataclass(frozen=True)
class Run:
    """One trained model: dataset × architecture × recipe × seed.

    The seed draws everything anew: people, order, wording and initial weights.
    """

    dataset: Dataset
    architecture: AnyArchitecture
    recipe: Recipe
    seed: Annotated[int, Ge(0), Lt(2**31)]

    @cached_property
    def slug(self) -> str:
        return f"{self.dataset.slug}/{self.architecture.slug}/{self.recipe.slug}/seed{self.seed}"

    @property
    def cell(self) -> str:
        """The name of its cell, for dataset, architecture and recipe without lr."""
        return f"{self.dataset.slug}/{self.architecture.slug}/{self.recipe.slug_without_lr}"


def parse_dataset(values: dict[str, Any]) -> Dataset:
    """The dataset spec that `to_json` wrote."""
    pools = {"pools": Pools(**values["pools"])} if "pools" in values else {}
    return KINDS[values["kind"]](**{**values, **pools})


def parse_recipe(values: dict[str, Any]) -> Recipe:
    """The recipe spec that `to_json` wrote."""
    return _parse_spec(
        Recipe,
        values,
        junk=Junk,
        qat=Quantizer,
        head_start=HeadStart,
        afterwards=Afterwards,
        adapter=_parse_adapter,
    )


def _parse_adapter(**values: Any) -> Adapter:
    return _parse_spec(Adapter, values, base=Base)


def _parse_spec(kind: Callable[..., T], values: dict[str, Any], **parts: Callable[..., Any]) -> T:
    """A spec whose fields of these names are specs too, where they are given."""
    return kind(
        **{**values, **{name: part(**values[name]) for name, part in parts.items() if values.get(name)}}
    )


def parse_run(text: str) -> Run:
    """The run that `to_json` wrote."""
    values = json.loads(text)
    return Run(
        dataset=parse_dataset(values["dataset"]),
        architecture=parse_architecture(values["architecture"]),
        recipe=parse_recipe(values["recipe"]),
        seed=values["seed"],
    )


def cell_to_json(runs: Sequence[Run]) -> str:
    """Runs of one cell as one line of JSON: what they share, and the learning rate and the seed of each."""
    first = list_values(runs[0])
    shared = {key: value for key, value in first["recipe"].items() if key != "lr"}
    each = [[run.recipe.lr, run.seed] for run in runs]
    return json.dumps(
        {
            "dataset": first["dataset"],
            "architecture": first["architecture"],
            "recipe": shared,
            "runs": each,
        },
        sort_keys=True,
    )


def parse_cell(text: str) -> list[Run]:
    """The runs that `cell_to_json` wrote."""
    values = json.loads(text)
    dataset, architecture = parse_dataset(values["dataset"]), parse_architecture(values["architecture"])
    return [
        Run(dataset, architecture, parse_recipe({**values["recipe"], "lr": lr}), seed)
        for lr, seed in values["runs"]
    ]
