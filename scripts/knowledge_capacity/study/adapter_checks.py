"""What is wrong with recipes that train an adapter."""

from collections.abc import Iterator

from ..config import Key, Problem
from ..specs import FULL_PRECISION, AnyArchitecture, Architecture, BioS, Checkpoint, Dataset, Recipe
from .schema import Config, Experiment

# what an adapter is not trained with
OTHERS = {
    "optimizer": "adamw",
    "junk": None,
    "qat": None,
    "average": 0.0,
    "text_mask": False,
    "head_start": None,
    "snapshots": False,
    "afterwards": None,
}


def recipe_problems(key: Key, recipe: Recipe) -> Iterator[Problem]:
    """Fields of a recipe that an adapter does not go with. key: of the recipe."""
    if not recipe.adapter:
        return
    for field, plain in OTHERS.items():
        if getattr(recipe, field) != plain:
            reason = f"an adapter is trained without {field}"
            yield Problem((*key, "adapter"), reason, "Remove one of them.", ((*key, field),))
    if recipe.precision == "fp16":
        reason = "an adapter is trained in fp32 or bf16"
        yield Problem((*key, "precision"), reason, "Write fp32, bf16 or auto.")


def combination_problems(
    key: Key, name: str, recipe: Recipe, of: str, dataset: Dataset, model: str, architecture: AnyArchitecture
) -> Iterator[Problem]:
    """What a dataset or a model has not, for an adapter or its base. key: of the recipe in a grid; name, of, model: as
    it names them.
    """
    if recipe.adapter and recipe.adapter.targets == "mlp" and isinstance(architecture, Architecture):
        parts = architecture.parts
        if parts.mlp == "none" or parts.experts:
            has = "none" if parts.mlp == "none" else "one of experts, which adapters leave out"
            reason = f"the adapter of recipe {name} updates the MLP, and {model} has {has}"
            yield Problem(
                key, reason, "Name other targets (layers, attention, embeddings), or another model."
            )
    base = recipe.adapter and recipe.adapter.base
    if not base:
        return
    if isinstance(architecture, Checkpoint):
        reason = (
            f"recipe {name} trains the model below its adapter, and checkpoint {model} is trained already"
        )
        yield Problem(key, reason, "Use an adapter without base.")
    if base.trained_on == "strings":
        return
    if not isinstance(dataset, BioS):
        reason = f"the adapter of recipe {name} has a base of other people, whom only bioS has"
        yield Problem(key, reason, "Use a dataset of that kind, or a base of strings.")
    elif dataset.n_people + base.people > (names := dataset.pools.names):
        reason = (
            f"the base of recipe {name} has {base.people} people, and with {dataset.n_people} of its own dataset {of} "
            f"has only {names} different names"
        )
        yield Problem(key, reason, "Enlarge the dataset's pools of names, or lower the people of the base.")


def variant_problems(key: Key, experiment: Experiment, config: Config) -> Iterator[Problem]:
    """Variants of runs whose P is that of an adapter alone. key: of the experiment."""
    recipes = dict.fromkeys(name for grid in experiment.grids for name in grid.recipes)
    adapted = [name for name in recipes if name in config.recipes and config.recipes[name].adapter]
    others = [name for name in experiment.variants if name != FULL_PRECISION]
    if adapted and others:
        reason = f"recipe {adapted[0]} trains an adapter, which is neither quantised nor asked"
        remedy = f"Leave {FULL_PRECISION} alone there, or put the recipe into an experiment of its own."
        yield Problem((*key, "variants"), reason, remedy)
