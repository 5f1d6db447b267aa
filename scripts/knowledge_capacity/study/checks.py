"""What is wrong with a configuration whose fields are each in order: what takes several to decide."""

import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

from ..config import Key, Problem, suggest_name
from ..measurements import locations
from ..specs import (
    BYTE_PAIR,
    FAMILIES,
    FEWEST_ASKED,
    FULL_PRECISION,
    METHODS,
    WORD_LEVEL,
    AnyArchitecture,
    Architecture,
    BioD,
    BioR,
    BioS,
    Checkpoint,
    Dataset,
    PythonModel,
    Quantizer,
    RandomStrings,
    Recipe,
    paper,
)
from . import adapter_checks
from .schema import Config, Experiment, Grid, standard_architecture

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
SMALLEST_BYTE_PAIR = 257
LEAST_AVERAGE = 0.01  # a share of training, whose log has 200 points
HUB_ID = re.compile(r"\w[\w.-]*/[\w.-]+")


def find_problems(config: Config, experiments: set[str]) -> Iterator[Problem]:
    """All problems of a configuration. experiments: the names of those there is code for."""
    yield from _name_problems(config)
    for name, dataset in config.datasets.items():
        yield from _dataset_problems(("datasets", name), dataset)
    for name, architecture in config.architectures.items():
        yield from _architecture_problems(("architectures", name), name, architecture)
    for name, recipe in config.recipes.items():
        yield from _repeat_problems(("recipes", name, "other_lrs"), [recipe.lr, *recipe.other_lrs], first=1)
        yield from adapter_checks.recipe_problems(("recipes", name), recipe)
        if 0 < recipe.average < LEAST_AVERAGE:
            reason = "the average is over points of the log, and so short a part may hold none"
            remedy = f"Write at least {LEAST_AVERAGE}, or leave it out."
            yield Problem(("recipes", name, "average"), reason, remedy)
        if recipe.qat and recipe.qat.method != "rtn":
            reason = "training rounds its weights to nearest, anew at every step"
            yield Problem(("recipes", name, "qat", "method"), reason, "Write rtn, or leave it out.")
        elif recipe.qat:
            yield from _quantizer_problems(("recipes", name, "qat"), recipe.qat, others=False)
        yield from _lasting_problems(("recipes", name), recipe)
        if name in paper.NAMES:
            yield Problem(
                ("recipes", name), "this is the name of a recipe of the paper's", "Choose another name."
            )
    for name, quantizer in config.quantizers.items():
        yield from _quantizer_problems(("quantizers", name), quantizer)
    for source in locations.parse_sources(config.source):
        file = locations.source_file(source, Path("results"))
        if file and not file.is_file():
            remedy = "Name results that there are: published, a file or folder of measurements, or an https address."
            yield Problem(("source",), f"there is no file {file}", remedy)
    for i, name in enumerate(config.only or []):
        if not config.experiments.get(name):
            known = [name for name, experiment in config.experiments.items() if experiment]
            yield Problem(("only", i), "this study has no such experiment", suggest_name(name, known))
    if config.only == []:
        yield Problem(("only",), "this list is empty", "Name an experiment in it, or write null for all.")
    if not any(config.experiments.values()):
        yield Problem(("experiments",), "there is no experiment", "Add one, or set one that is not null.")
    for name, experiment in config.experiments.items():
        if name not in experiments:
            yield Problem(
                ("experiments", name), "there is no such experiment", suggest_name(name, experiments)
            )
        elif experiment:
            yield from _experiment_problems(("experiments", name), experiment, config)


def _name_problems(config: Config) -> Iterator[Problem]:
    """Names that cannot be used."""
    for section in ("datasets", "architectures", "recipes", "quantizers", "extractions"):
        for name in getattr(config, section):
            if not NAME.fullmatch(name):
                remedy = "Use letters and digits, and . _ - after the first of them."
                yield Problem((section, name), "this cannot be a name", remedy)
    for section in ("quantizers", "extractions"):
        if FULL_PRECISION in getattr(config, section):
            key = (section, FULL_PRECISION)
            yield Problem(key, "this name stands for the weights as trained", "Choose another name.")
    for name in config.extractions.keys() & config.quantizers.keys():
        yield Problem(("extractions", name), "a quantizer has this name", "Choose another name.")


def _dataset_problems(key: Key, dataset: Dataset) -> Iterator[Problem]:
    if isinstance(dataset, RandomStrings):
        strings = dataset.symbols**dataset.length
        if dataset.n_strings > strings:
            reason = (
                f"there are only {strings} strings of length {dataset.length} over {dataset.symbols} symbols"
            )
            remedy = f"Use at most {strings} strings, or raise length or symbols."
            yield Problem((*key, "n_strings"), reason, remedy, ((*key, "length"), (*key, "symbols")))
        return
    people, pools = dataset.n_people, dataset.pools
    if people > pools.names:
        reason = (
            f"there are only {pools.names} different names ({pools.first_names} first × {pools.middle_names}"
            f" middle × {pools.last_names} last) for {people} people"
        )
        remedy = f"Use at most {pools.names} people, or enlarge pools."
        parts = ("first_names", "middle_names", "last_names")
        others = tuple((*key, "pools", part) for part in parts)
        yield Problem((*key, "n_people"), reason, remedy, others)
    if isinstance(dataset, BioD) and dataset.symbols**dataset.length < dataset.diversity:
        strings = dataset.symbols**dataset.length
        reason = (
            f"there are only {strings} strings of length {dataset.length} over {dataset.symbols} symbols"
            f" for a diversity of {dataset.diversity}"
        )
        remedy = f"Use a diversity of at most {strings}, or raise length or symbols."
        yield Problem((*key, "diversity"), reason, remedy, ((*key, "length"), (*key, "symbols")))
    if isinstance(dataset, BioR) and dataset.tokenizer == WORD_LEVEL:
        reason = "nobody knows in advance which words a language model will write"
        yield Problem((*key, "tokenizer"), reason, "Write bpe-SIZE, a folder, or OWNER/NAME on the hub.")
    yield from _tokenizer_problems((*key, "tokenizer"), dataset.tokenizer)


def _tokenizer_problems(key: Key, name: str) -> Iterator[Problem]:
    match = BYTE_PAIR.fullmatch(name)
    if match and int(match[1]) < SMALLEST_BYTE_PAIR:
        reason = f"byte pairs start from 256 bytes and {SMALLEST_BYTE_PAIR - 256} special token"
        yield Problem(key, reason, f"Write at least bpe-{SMALLEST_BYTE_PAIR}.")
    elif name != WORD_LEVEL and not match and not Path(name).is_dir() and not HUB_ID.fullmatch(name):
        remedy = f"Write {WORD_LEVEL}, bpe-SIZE, a folder that exists, or OWNER/NAME on the hub."
        yield Problem(key, "there is no such folder", remedy)


def _architecture_problems(key: Key, name: str, architecture: AnyArchitecture) -> Iterator[Problem]:
    standard = standard_architecture(name)
    if standard and standard != architecture:
        reason = (
            f"{name} is the name of {standard.layers} layers, {standard.heads} heads, width {standard.width}"
        )
        yield Problem(key, reason, "Choose another name.")
    if isinstance(architecture, PythonModel):
        file, _, function = architecture.function.rpartition(":")
        if not Path(file).is_file() or not function.isidentifier():
            yield Problem((*key, "function"), "there is no such file", "Write path/to/file.py:function.")
    elif isinstance(architecture, Checkpoint):
        for needed in ("config.json", "tokenizer.json"):
            if not (Path(architecture.folder) / needed).is_file():
                reason = f"there is no {needed} in this folder"
                yield Problem((*key, "folder"), reason, "Give the folder of a model that transformers saved.")
    elif isinstance(architecture, Architecture):
        yield from decoder_problems(key, architecture)


def decoder_problems(key: Key, architecture: Architecture) -> Iterator[Problem]:
    """A shape that no decoder can have. key: of the architecture."""
    width, heads = architecture.width, architecture.heads
    reason = ""
    if width % heads:
        reason = f"a width of {width} does not divide among {heads} heads"
    elif (width // heads) % 2:
        reason = f"each head has {width // heads} dimensions, and rotary embedding needs an even number"
    if reason:
        step = 2 * heads
        remedy = f"Use a multiple of {step} as width, such as {-(-width // step) * step}."
        yield Problem((*key, "width"), reason, remedy, ((*key, "heads"),))
    experts = architecture.parts.experts
    if experts and experts.top_k > experts.number:
        reason = f"there are only {experts.number} experts to choose from"
        yield Problem((*key, "experts", "top_k"), reason, f"Write at most {experts.number}.")
    if architecture.parts.mlp == "none" and (experts or architecture.mlp_width):
        which = "experts" if architecture.experts else "mlp"
        reason = "an architecture without MLP has neither experts nor a width of its MLP"
        yield Problem((*key, which), reason, "Remove one of them.")


def _quantizer_problems(key: Key, quantizer: Quantizer, others: bool = True) -> Iterator[Problem]:
    """Fields that the method has no use for. others: whether it could be another method."""
    method, kind = quantizer.method, METHODS[quantizer.method]
    bits = kind.bits or quantizer.bits
    if quantizer.bits != bits:
        reason = f"{method} is a format of {bits} bits"
        yield Problem((*key, "bits"), reason, f"Write {bits}, or another method.", ((*key, "method"),))
    if quantizer.zero_point and kind.zero_point != "chosen":
        reason = f"{method} {'always has a' if kind.zero_point == 'always' else 'has no'} zero point"
        able = " or ".join(name for name, one in METHODS.items() if one.zero_point == "chosen")
        yield Problem((*key, "zero_point"), reason, f"Remove it, or write {able} as method.")
    for field in ("calibration_people", "calibration"):
        if getattr(quantizer, field) != getattr(Quantizer, field) and not kind.sees_data:
            reason = f"{method} looks at no data"
            able = " or ".join(name for name, one in METHODS.items() if one.sees_data)
            remedy = f"Remove it, or write {able} as method." if others else "Remove it."
            yield Problem((*key, field), reason, remedy)
    if quantizer.group_size == 1:
        reason = "a scale for each weight takes more bits than the weight"
        yield Problem((*key, "group_size"), reason, "Write 0 for one scale a row, or a size such as 32.")


def _experiment_problems(key: Key, experiment: Experiment, config: Config) -> Iterator[Problem]:
    for which in ("seeds", "variants"):
        yield from _repeat_problems((*key, which), getattr(experiment, which))
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
        yield from _repeat_problems((*key, "grids", g, "seeds"), grid.seeds or [])
        if key[-1] == "qat":
            yield from _qat_problems((*key, "grids", g), grid, experiment, config)
        for section in ("datasets", "architectures", "recipes"):
            known, names = getattr(config, section), getattr(grid, section)
            yield from _repeat_problems((*key, "grids", g, section), names)
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


def _lasting_problems(key: Key, recipe: Recipe) -> Iterator[Problem]:
    """Fields beside which weights on the way, or training with others afterwards, would be something else."""
    refused = {
        "snapshots": {
            "qat": "weights on the way are not rounded as those at the end are",
            "average": "weights on the way are not averaged as those at the end are",
            "steps": "weights are kept after so many exposures, and a number of steps knows none",
        },
        "afterwards": {
            "junk": "other people are those of the junk",
            "average": "the average would be of weights before and after others came",
            "steps": "other people follow after all exposures, and a number of steps knows none",
        },
    }
    for field, others in refused.items():
        for other, reason in others.items():
            if getattr(recipe, field) and getattr(recipe, other):
                yield Problem((*key, field), f"{reason}", f"Remove it, or {other}.")
    if recipe.afterwards and not recipe.afterwards.lr and not recipe.final_lr:
        reason = "the rate of the schedule's end is 0, by which nothing is learned afterwards"
        yield Problem((*key, "afterwards"), reason, "Give it an lr.")


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


def _repeat_problems(key: Key, values: list[Any], first: int = 0) -> Iterator[Problem]:
    """Values that stand twice. first: how many of them stand before the list at `key`."""
    for i, value in enumerate(values):
        if value in values[:i]:
            yield Problem((*key, i - first), "it stands in this list already", "Remove it.")
