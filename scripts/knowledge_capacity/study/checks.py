"""What is wrong with a configuration whose fields are each in order: what takes several to decide."""

import re
from collections.abc import Iterator
from pathlib import Path

from ..config import Key, Problem, suggest_name
from ..measurements import locations
from ..specs import (
    BYTE_PAIR,
    FULL_PRECISION,
    METHODS,
    WORD_LEVEL,
    BioD,
    BioR,
    Dataset,
    Quantizer,
    RandomStrings,
    Recipe,
    paper,
)
from . import adapter_checks
from .architecture_checks import architecture_problems
from .experiment_checks import experiment_problems, repeat_problems
from .schema import Config

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
        yield from architecture_problems(("architectures", name), name, architecture)
    for name, recipe in config.recipes.items():
        yield from repeat_problems(("recipes", name, "other_lrs"), [recipe.lr, *recipe.other_lrs], first=1)
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
            yield from experiment_problems(("experiments", name), experiment, config)


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
