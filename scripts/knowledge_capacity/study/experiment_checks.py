"""What is wrong with experiments whose entries are in order: missing names, and what does not go together."""

from collections.abc import Iterator
from itertools import product
from typing import Any

from ..config import Key, Problem, suggest_name
from ..specs import (
    FAMILIES,
    FEWEST_ASKED,
    FULL_PRECISION,
    AnyArchitecture,
    Architecture,
    BioS,
    Checkpoint,
    Dataset,
    Quantizer,
    RandomStrings,
    Recipe,
    paper,
)
from . import adapter_checks
from .architecture_checks import decoder_problems
from .schema import Config, Experiment, Grid, standard_architecture


def experiment_problems(key: Key, experiment: Experiment, config: Config) -> Iterator[Problem]:
    """All problems of an experiment. key: of the experiment."""
    for which in ("seeds", "variants"):
        yield from repeat_problems((*key, which), getattr(experiment, which))
    for i, name in enumerate(experiment.variants):
        if name not in (FULL_PRECISION, *config.quantizers, *config.extractions):
            remedy = suggest_name(name, {FULL_PRECISION, *config.quantizers, *config.extractions})
            yield Problem((*key, "variants", i), "there is no such quantizer or extraction", remedy)
        elif name in config.extractions:
            yield from _extraction_problems((*key, "variants", i), name, experiment, config)
        elif name in config.quantizers:
            yield from _calibration_problems(
                (*key, "variants", i), config.quantizers[name], experiment, config
            )
    yield from adapter_checks.variant_problems(key, experiment, config)
    for g, grid in enumerate(experiment.grids):
        yield from _combination_problems((*key, "grids", g), grid, config)
        yield from repeat_problems((*key, "grids", g, "seeds"), grid.seeds or [])
        if key[-1] == "qat":
            yield from _qat_problems((*key, "grids", g), grid, experiment, config)
        for section in ("datasets", "architectures", "recipes"):
            known, names = getattr(config, section), getattr(grid, section)
            yield from repeat_problems((*key, "grids", g, section), names)
            if section == "architectures":
                yield from _twin_problems((*key, "grids", g, section), names, config)
            for i, name in enumerate(names):
                if section == "architectures" and (standard := standard_architecture(name)):
                    yield from decoder_problems((*key, "grids", g, section, i), standard)
                    continue
                if section == "recipes" and name in paper.NAMES:
                    continue
                if name not in known:
                    remedy = suggest_name(name, [*known, *(paper.NAMES if section == "recipes" else ())])
                    if section == "architectures":
                        families = ", ".join(FAMILIES)
                        remedy += (
                            " FAMILY-LAYERS-HEADS, such as gpt2-2-1 or gpt2-2-1-d16, needs no entry "
                            f"(families: {families})."
                        )
                    where = (*key, "grids", g, section, i)
                    yield Problem(where, f"there is no such {section.removesuffix('s')}", remedy)


def _twin_problems(key: Key, names: list[str], config: Config) -> Iterator[Problem]:
    """Architectures that are one model under two names."""
    found: dict[str, str] = {}
    for i, name in enumerate(names):
        entry = config.architecture(name)
        if entry and (other := found.setdefault(entry.slug, name)) != name:
            yield Problem((*key, i), f"{other} and {name} are the same model", "Remove one of them.")


def _extraction_problems(key: Key, name: str, experiment: Experiment, config: Config) -> Iterator[Problem]:
    """An extraction among the variants of an experiment with datasets that cannot be asked about."""
    for d in dict.fromkeys(d for grid in experiment.grids for d in grid.datasets):
        dataset = config.datasets.get(d)
        if isinstance(dataset, RandomStrings):
            reason = f"nothing can be asked about dataset {d}, since random strings have no names"
            yield Problem(key, reason, "Remove it, or put the dataset into another experiment.")
        elif dataset and dataset.n_people < FEWEST_ASKED:
            reason = f"half of {dataset.n_people} people, as dataset {d} has, is too few to teach and to ask"
            yield Problem(key, reason, f"Use a dataset of at least {FEWEST_ASKED} people, or remove it.")


def _calibration_problems(
    key: Key, quantizer: Quantizer, experiment: Experiment, config: Config
) -> Iterator[Problem]:
    """A quantizer that is to see people whom the datasets, or the junk, of an experiment do not have."""
    if quantizer.calibration == "junk":
        for name in dict.fromkeys(r for grid in experiment.grids for r in grid.recipes):
            if name in config.recipes and not config.recipes[name].junk:
                reason = f"this quantizer sees people of the junk, and recipe {name} mixes in none"
                yield Problem(key, reason, "Put it into an experiment of its own, with recipes that do.")
    if quantizer.calibration != "others":
        return
    for grid in experiment.grids:
        for d, r in product(grid.datasets, grid.recipes):
            dataset, recipe = config.datasets.get(d), config.recipes.get(r)
            if dataset and not isinstance(dataset, BioS):
                reason = (
                    f"this quantizer sees other people than those of dataset {d}, and only bioS has others"
                )
                yield Problem(key, reason, "Remove it, or use a dataset of that kind.")
            elif isinstance(dataset, BioS):
                beside = (recipe.junk or recipe.afterwards) if recipe else None
                known = dataset.n_people + (beside.people if beside else 0)
                if known + quantizer.calibration_people > dataset.pools.names:
                    reason = f"this quantizer sees {quantizer.calibration_people} people beside {known}"
                    reason += f", and dataset {d} has only {dataset.pools.names} different names"
                    yield Problem(key, reason, "Lower calibration_people, or enlarge the pools of names.")


def _qat_problems(key: Key, grid: Grid, experiment: Experiment, config: Config) -> Iterator[Problem]:
    """Recipes that train with a quantizer by which the experiment qat, which shows just that, stores nothing."""
    stored = {config.quantizers[name] for name in experiment.variants if name in config.quantizers}
    for i, name in enumerate(grid.recipes):
        own = config.recipes[name].qat if name in config.recipes else None
        if own and own not in stored:
            reason = f"qat needs the recipe's own quantizer ({own.slug}) among its variants"
            known = next((name for name, one in config.quantizers.items() if one == own), None)
            remedy = f"Add {known} there." if known else "Name it among quantizers, and add that name there."
            yield Problem((*key, "recipes", i), reason, remedy, ((*key[:2], "variants"),))


def _combination_problems(key: Key, grid: Grid, config: Config) -> Iterator[Problem]:
    """Combinations of a dataset, an architecture and a recipe that do not go together."""
    for (i, d), a, (j, r) in product(enumerate(grid.datasets), grid.architectures, enumerate(grid.recipes)):
        dataset, architecture = config.datasets.get(d), config.architecture(a)
        if not dataset or not architecture or (r not in config.recipes and r not in paper.NAMES):
            continue
        try:
            each = config.each(r, dataset, architecture)
        except paper.PaperRecipeError as error:
            yield Problem((*key, "recipes", j), str(error), "Write a recipe of your own.")
            continue
        for field in ("qat", "snapshots", "afterwards"):
            if getattr(each[0], field) and isinstance(architecture, Checkpoint):
                does = "trains with quantised weights" if field == "qat" else f"has {field}"
                reason = f"recipe {r} {does}, and checkpoint {a} is only measured"
                yield Problem((*key, "recipes", j), reason, f"Use a recipe without {field}.")
        yield from _own_decoder_problems((*key, "recipes", j), r, each[0], a, architecture)
        yield from _head_start_problems((*key, "recipes", j), r, each[0], d, dataset)
        yield from adapter_checks.combination_problems(
            (*key, "recipes", j), r, each[0], d, dataset, a, architecture
        )
        yield from _afterwards_problems((*key, "recipes", j), r, each[0], d, dataset)
        junk, where, wants = each[0].junk, (*key, "datasets", i), f"recipe {r} mixes in junk"
        if not junk:
            continue
        if not isinstance(dataset, BioS):
            yield Problem(
                where, f"{wants}, which only bioS has", "Use a dataset of that kind, or a recipe without."
            )
        elif dataset.n_people + junk.people > dataset.pools.names:
            reason = (
                f"{wants} about {junk.people} people, and with {dataset.n_people} of its own "
                f"it has only {dataset.pools.names} different names"
            )
            yield Problem(where, reason, "Enlarge the dataset's pools of names, or lower junk.people.")


def _own_decoder_problems(
    key: Key, name: str, recipe: Recipe, model: str, architecture: AnyArchitecture
) -> Iterator[Problem]:
    """Fields that act inside the decoder of this project, with a model from elsewhere."""
    if isinstance(architecture, Architecture):
        return
    for field in ("init_std", "text_mask"):
        if getattr(recipe, field) != getattr(Recipe, field):
            reason = (
                f"recipe {name} has {field}, of which {model} knows nothing, since it comes from elsewhere"
            )
            yield Problem(key, reason, f"Use a recipe without {field}, or an architecture of a family.")


def _head_start_problems(key: Key, name: str, recipe: Recipe, of: str, dataset: Dataset) -> Iterator[Problem]:
    """A head start that no dataset can have, or that is not over when training is."""
    if not (first := recipe.head_start):
        return
    if not isinstance(dataset, BioS):
        yield Problem(
            key, f"recipe {name} has a head start, which only bioS has", "Use a dataset of that kind."
        )
        return
    if first.people >= dataset.n_people:
        reason = (
            f"the head start of recipe {name} has {first.people} people, and dataset {of} {dataset.n_people}"
        )
        yield Problem(key, reason, "Let it have fewer people than the dataset.")
    if recipe.steps or first.people * first.exposures >= recipe.exposures * dataset.n_people:
        reason = f"the head start of recipe {name} has {first.people * first.exposures} biographies"
        has = "a number of steps" if recipe.steps else f"{recipe.exposures * dataset.n_people} in all"
        yield Problem(key, f"{reason}, and the recipe {has}", "Lower its exposures, or its people.")


def _afterwards_problems(key: Key, name: str, recipe: Recipe, of: str, dataset: Dataset) -> Iterator[Problem]:
    """Other people whom a dataset does not have."""
    if not (then := recipe.afterwards):
        return
    if not isinstance(dataset, BioS):
        reason = f"recipe {name} goes on with other people, whom only bioS has"
        yield Problem(key, reason, "Use a dataset of that kind.")
    elif dataset.n_people + then.people > dataset.pools.names:
        reason = (
            f"recipe {name} goes on with {then.people} other people, and with {dataset.n_people} of its own "
            f"dataset {of} has only {dataset.pools.names} different names"
        )
        yield Problem(key, reason, "Enlarge the dataset's pools of names, or lower afterwards.people.")


def repeat_problems(key: Key, values: list[Any], first: int = 0) -> Iterator[Problem]:
    """Values that stand twice. first: how many of them stand before the list at `key`."""
    for i, value in enumerate(values):
        if value in values[:i]:
            yield Problem((*key, i - first), "it stands in this list already", "Remove it.")
