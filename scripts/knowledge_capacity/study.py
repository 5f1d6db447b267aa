"""The study: what the configuration asks for, checked as a whole, as runs, variants and experiments.

Only the workflow imports this module. Jobs receive the specs they need as JSON (see `specs`), so that a
change of wording here never retrains a model.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from itertools import product
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge, Lt, MinLen
from pydantic import Field

from . import paper
from .config import ConfigError, Key, Problem, Sources, did_you_mean, parse
from .console import amount
from .data.lengths import training_words
from .specs import (
    BYTE_PAIR,
    FAMILIES,
    FULL_PRECISION,
    STRICT,
    WORD_LEVEL,
    AnyArchitecture,
    Architecture,
    BioD,
    BioR,
    BioS,
    Checkpoint,
    Dataset,
    Positive,
    PythonModel,
    Quantizer,
    RandomStrings,
    Recipe,
    Run,
)

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
SMALLEST_BYTE_PAIR = 257
HUB_ID = re.compile(r"\w[\w.-]*/[\w.-]+")
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
    """The configuration, key by key. An experiment set to null in an overlay is left out."""

    __pydantic_config__ = STRICT

    datasets: dict[str, Annotated[Dataset, Field(discriminator="kind")]]
    architectures: dict[str, Annotated[AnyArchitecture, Field(discriminator="kind")]]
    recipes: dict[str, Recipes]
    quantizers: dict[str, Quantizer]
    experiments: dict[str, Experiment | None]

    def architecture(self, name: str) -> AnyArchitecture | None:
        """The architecture of a name: an entry's, or a standard one's."""
        return self.architectures.get(name) or standard_architecture(name)

    def each(self, name: str, dataset: Dataset, architecture: AnyArchitecture) -> list[Recipe]:
        """The recipes of a name. Raises paper.NoSetting where one of the paper's does not fit the dataset."""
        entry = self.recipes.get(name)
        return entry.each() if entry else paper.recipes(name, dataset, architecture)


class Study:
    """A checked configuration. Raises ConfigError, with a line for each thing wrong.

    config: the merged configuration. files: the files it was merged from (see `Sources`).
    experiments: the names of the experiments there is code for.
    """

    def __init__(self, config: Any, files: Iterable[str | Path], experiments: Iterable[str]) -> None:
        sources = Sources(config, files)
        sources.default("architectures", "kind", Architecture.kind)
        parsed, problems = parse(Config, sources)
        if parsed:
            problems = list(_problems(parsed, set(experiments)))
        if problems:
            raise ConfigError("\n".join(dict.fromkeys(sources.line(problem) for problem in problems)))
        self.config: Config = parsed
        self.experiments = {name: e for name, e in parsed.experiments.items() if e is not None}
        self.runs: dict[str, Run] = {}
        self._quantizers: dict[str, dict[str, Quantizer]] = {}
        for experiment in self.experiments.values():
            for run in self._runs_of(experiment):
                self.runs[run.slug] = run
                chosen = self._quantizers.setdefault(run.slug, {})
                for name in experiment.variants:
                    if name != FULL_PRECISION:
                        quantizer = parsed.quantizers[name]
                        chosen[quantizer.slug] = quantizer
        self.datasets: dict[str, Dataset] = {run.dataset.slug: run.dataset for run in self.runs.values()}

    def methods(self, run: str) -> list[str]:
        """The quantisation methods that a run's variants need, by the run's slug."""
        return sorted({quantizer.method for quantizer in self._quantizers[run].values()})

    def quantizers(self, run: str, method: str) -> list[Quantizer]:
        """The quantizers of one method that are applied to a run, in the order of their names."""
        return [q for _, q in sorted(self._quantizers[run].items()) if q.method == method]

    def implies(self) -> list[str]:
        """What the study means for each dataset, a line each: bits, runs, and tokens to train on."""
        lines = []
        for slug, dataset in self.datasets.items():
            runs = [run for run in self.runs.values() if run.dataset == dataset]
            words = sum(training_words(dataset, run.recipe) for run in runs)
            about = "about" if dataset.tokenizer == WORD_LEVEL else "at least"
            lines.append(
                f"{slug}: {amount(dataset.bits_max)} bits; {len(runs)} {'run' if len(runs) == 1 else 'runs'} "
                f"of {about} {amount(words)} tokens in all"
            )
        return lines

    def _runs_of(self, experiment: Experiment) -> Iterator[Run]:
        for grid in experiment.grids:
            for d, a, r in product(grid.datasets, grid.architectures, grid.recipes):
                dataset, architecture = self.config.datasets[d], self.config.architecture(a)
                assert architecture
                for recipe, seed in product(self.config.each(r, dataset, architecture), experiment.seeds):
                    yield Run(dataset, architecture, recipe, seed)


def experiment_modules() -> list[str]:
    """The names of the experiments there is code for: modules that define `points` and `figure`."""
    folder = Path(__file__).parent / "experiments"
    found = []
    for file in sorted(folder.glob("*.py")):
        defined = {
            node.name for node in ast.parse(file.read_bytes()).body if isinstance(node, ast.FunctionDef)
        }
        if {"points", "figure"} <= defined:
            found.append(file.stem)
    return found


def standard_architecture(name: str) -> Architecture | None:
    """FAMILY-ℓ-h, such as gpt2-2-1: ℓ layers and h heads of 64 dimensions; None for any other name."""
    match = STANDARD_ARCHITECTURE.fullmatch(name)
    if not match:
        return None
    layers, heads = int(match[2]), int(match[3])
    family: Any = match[1]
    return Architecture(layers=layers, heads=heads, width=64 * heads, family=family)


def _problems(config: Config, experiments: set[str]) -> Iterator[Problem]:
    """What is wrong with a configuration whose fields are each in order."""
    yield from _names(config)
    for name, dataset in config.datasets.items():
        yield from _dataset(("datasets", name), dataset)
    for name, architecture in config.architectures.items():
        yield from _architecture(("architectures", name), name, architecture)
    for name, recipe in config.recipes.items():
        yield from _repeats(("recipes", name, "other_lrs"), [recipe.lr, *recipe.other_lrs], first=1)
        if name in paper.NAMES:
            yield Problem(
                ("recipes", name), "this is the name of a recipe of the paper's", "Choose another name."
            )
    if not any(config.experiments.values()):
        yield Problem(("experiments",), "there is no experiment", "Add one, or set one that is not null.")
    for name, experiment in config.experiments.items():
        if name not in experiments:
            yield Problem(
                ("experiments", name), "there is no such experiment", did_you_mean(name, experiments)
            )
        elif experiment:
            yield from _experiment(("experiments", name), experiment, config)


def _names(config: Config) -> Iterator[Problem]:
    """Names that cannot be used."""
    for section in ("datasets", "architectures", "recipes", "quantizers"):
        for name in getattr(config, section):
            if not NAME.fullmatch(name):
                remedy = "Use letters and digits, and . _ - after the first of them."
                yield Problem((section, name), "this cannot be a name", remedy)
    if FULL_PRECISION in config.quantizers:
        key = ("quantizers", FULL_PRECISION)
        yield Problem(key, "this name stands for the weights as trained", "Choose another name.")


def _dataset(key: Key, dataset: Dataset) -> Iterator[Problem]:
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
    yield from _tokenizer((*key, "tokenizer"), dataset.tokenizer)


def _tokenizer(key: Key, name: str) -> Iterator[Problem]:
    match = BYTE_PAIR.fullmatch(name)
    if match and int(match[1]) < SMALLEST_BYTE_PAIR:
        reason = f"byte pairs start from 256 bytes and {SMALLEST_BYTE_PAIR - 256} special token"
        yield Problem(key, reason, f"Write at least bpe-{SMALLEST_BYTE_PAIR}.")
    elif name != WORD_LEVEL and not match and not Path(name).is_dir() and not HUB_ID.fullmatch(name):
        remedy = f"Write {WORD_LEVEL}, bpe-SIZE, a folder that exists, or OWNER/NAME on the hub."
        yield Problem(key, "there is no such folder", remedy)


def _architecture(key: Key, name: str, architecture: AnyArchitecture) -> Iterator[Problem]:
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
        yield from _decoder(key, architecture)
    elif architecture.config.endswith(".json") and not Path(architecture.config).is_file():
        yield Problem(
            (*key, "config"), "there is no such file", "Write the path of a config.json, or a class."
        )


def _decoder(key: Key, architecture: Architecture) -> Iterator[Problem]:
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


def _experiment(key: Key, experiment: Experiment, config: Config) -> Iterator[Problem]:
    for which in ("seeds", "variants"):
        yield from _repeats((*key, which), getattr(experiment, which))
    for i, name in enumerate(experiment.variants):
        if name != FULL_PRECISION and name not in config.quantizers:
            remedy = did_you_mean(name, {FULL_PRECISION, *config.quantizers})
            yield Problem((*key, "variants", i), "there is no such quantizer", remedy)
    for g, grid in enumerate(experiment.grids):
        yield from _together((*key, "grids", g), grid, config)
        for section in ("datasets", "architectures", "recipes"):
            known, names = getattr(config, section), getattr(grid, section)
            yield from _repeats((*key, "grids", g, section), names)
            for i, name in enumerate(names):
                if section == "architectures" and standard_architecture(name):
                    continue
                if section == "recipes" and name in paper.NAMES:
                    continue
                if name not in known:
                    remedy = did_you_mean(name, known)
                    if section == "architectures":
                        remedy += " FAMILY-LAYERS-HEADS, such as gpt2-2-1, needs no entry."
                    where = (*key, "grids", g, section, i)
                    yield Problem(where, f"there is no such {section.removesuffix('s')}", remedy)


def _together(key: Key, grid: Grid, config: Config) -> Iterator[Problem]:
    """Combinations of a dataset, an architecture and a recipe that do not go together."""
    for (i, d), a, (j, r) in product(enumerate(grid.datasets), grid.architectures, enumerate(grid.recipes)):
        dataset, architecture = config.datasets.get(d), config.architecture(a)
        if not dataset or not architecture or (r not in config.recipes and r not in paper.NAMES):
            continue
        try:
            each = config.each(r, dataset, architecture)
        except paper.NoSetting as error:
            yield Problem((*key, "recipes", j), str(error), "Write a recipe of your own.")
            continue
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


def _repeats(key: Key, values: list[Any], first: int = 0) -> Iterator[Problem]:
    """Values that stand twice. first: how many of them stand before the list at `key`."""
    for i, value in enumerate(values):
        if value in values[:i]:
            yield Problem((*key, i - first), "it stands in this list already", "Remove it.")
