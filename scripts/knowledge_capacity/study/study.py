"""The study: what the configuration asks for, checked as a whole, as runs, variants and experiments.

Only the workflow imports this module. Jobs receive the specs they need as JSON (see `specs`), so that a
change of wording here never retrains a model.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain, product
from pathlib import Path
from typing import Any, Generic, TypeVar

from .. import layout
from ..config import ConfigError, Sources, parse_config
from ..console import format_amount
from ..data.lengths import training_words
from ..experiments import list_experiments
from ..measurements import locations
from ..specs import WORD_LEVEL, Architecture, Dataset, Extraction, PythonModel, Quantizer, Run
from .checks import find_problems
from .schema import Config, Experiment, spread_families
from .settling import settle_architectures

__all__ = ["Study", "list_experiments"]

# sections of entries that are known by their names
NAMED = ("datasets", "architectures", "recipes", "quantizers", "extractions")


T = TypeVar("T")


@dataclass(frozen=True)
class Task(Generic[T]):
    """What one job does: the same specs for some runs of a cell. name: the cell's, with what makes it unique."""

    name: str
    runs: list[Run]
    specs: list[T]


class Study:
    """A checked configuration. Raises ConfigError, with a line for each thing wrong.

    config: the merged configuration. files: the files it was merged from (see `Sources`).
    experiments: the names of the experiments there is code for.
    """

    def __init__(self, config: Any, files: Iterable[str | Path], experiments: Iterable[str]) -> None:
        sources = Sources(config, files)
        sources.default("architectures", "kind", Architecture.kind)
        for tree in (sources.config, *sources.trees):
            spread_families(tree)
        parsed, problems = parse_config(Config, sources)
        if parsed:
            parsed, self.notes, problems = settle_architectures(parsed)
            problems += find_problems(parsed, set(experiments))
        if problems:
            raise ConfigError("\n".join(dict.fromkeys(sources.line(problem) for problem in problems)))
        self.config: Config = parsed
        self.inherited = list(chain.from_iterable(map(sources.inherited, NAMED)))
        self.sources = locations.parse_sources(parsed.source)
        wanted = parsed.experiments if parsed.only is None else parsed.only
        self.experiments = {
            name: _set_seeds(experiment, parsed.seeds)
            for name in wanted
            if (experiment := parsed.experiments[name]) is not None
        }
        self.runs: dict[str, Run] = {}
        self._quantizers: dict[str, dict[str, Quantizer]] = {}
        self._extractions: dict[str, dict[str, Extraction]] = {}
        for name, experiment in self.experiments.items():
            for run in chain.from_iterable(self.models(name)):
                self.runs[run.slug] = run
                for section, chosen in (
                    (parsed.quantizers, self._quantizers),
                    (parsed.extractions, self._extractions),
                ):
                    specs = [section[name] for name in experiment.variants if name in section]
                    chosen.setdefault(run.slug, {}).update({spec.slug: spec for spec in specs})
        self.datasets: dict[str, Dataset] = {run.dataset.slug: run.dataset for run in self.runs.values()}
        self.seeds: dict[str, list[int]] = {}  # by dataset
        for slug, seed in sorted({(run.dataset.slug, run.seed) for run in self.runs.values()}):
            self.seeds.setdefault(slug, []).append(seed)
        self.cells: dict[str, list[Run]] = {}
        for run in sorted(self.runs.values(), key=lambda run: (run.recipe.lr, run.seed)):
            self.cells.setdefault(run.cell, []).append(run)

    def methods(self, run: str) -> list[str]:
        """The quantisation methods that a run's variants need, by the run's slug."""
        return sorted({quantizer.method for quantizer in self._quantizers[run].values()})

    def quantizations(self) -> list[Task[Quantizer]]:
        """What jobs quantise: for each cell and method, the quantizers that runs ask for."""
        wanted: dict[str, dict[str, list[Quantizer]]] = {}
        for run in self.runs:
            for method in self.methods(run):
                wanted.setdefault(method, {})[run] = self.quantizers(run, method)
        return [task for method, asked in wanted.items() for task in self._tasks(asked, f"/{method}")]

    def questionings(self) -> list[Task[Extraction]]:
        """What jobs ask: for each cell, the extractions that runs ask for."""
        return self._tasks({run: self.extractions(run) for run in self.runs}, "")

    def _tasks(self, wanted: Mapping[str, list[T]], ending: str) -> list[Task[T]]:
        """A task for each cell, or several where its runs differ in what they want. ending: of its name."""
        found = []
        for cell, runs in self.cells.items():
            groups: dict[tuple[T, ...], list[Run]] = {}
            for run in runs:
                if specs := tuple(wanted.get(run.slug, ())):
                    groups.setdefault(specs, []).append(run)
            for number, (specs, some) in enumerate(groups.items(), 1):
                name = f"{cell}{ending}" + (f"-{number}" if number > 1 else "")
                found.append(Task(name, some, list(specs)))
        return found

    def quantizers(self, run: str, method: str) -> list[Quantizer]:
        """The quantizers of one method that are applied to a run, in the order of their names."""
        return [q for _, q in sorted(self._quantizers[run].items()) if q.method == method]

    def extractions(self, run: str) -> list[Extraction]:
        """What a run is asked, by the run's slug, in the order of names."""
        return [questions for _, questions in sorted(self._extractions[run].items())]

    def asked(self) -> dict[str, Any]:
        """What each experiment asks for, in the slugs of runs and variants, as `collecting.parse_requests` reads it.

        snapshots: by recipe, those that its runs have beside the variants.
        """
        found: dict[str, Any] = {}
        for name, experiment in self.experiments.items():
            # architectures, by dataset, recipes and seeds
            grids: dict[tuple[str, tuple[str, ...], tuple[int, ...]], list[str]] = {}
            snapshots: dict[str, list[str]] = {}
            for grid in experiment.grids:
                for d, a in product(grid.datasets, grid.architectures):
                    runs = [run for r in grid.recipes for run in self.model(d, a, r, seed=0)]
                    recipes = tuple(run.recipe.slug for run in runs)
                    snapshots |= {
                        run.recipe.slug: [time.slug for time in run.recipe.snapshot_times]
                        for run in runs
                        if run.recipe.snapshots
                    }
                    key = runs[0].dataset.slug, recipes, tuple(grid.seeds or experiment.seeds)
                    grids.setdefault(key, []).append(runs[0].architecture.slug)
            found[name] = {
                "variants": [self.config.variant(variant) for variant in experiment.variants],
                "grids": [[dataset, models, *map(list, rest)] for (dataset, *rest), models in grids.items()],
                **({"snapshots": snapshots} if snapshots else {}),
            }
        return found

    def measurements(self) -> list[str]:
        """The files of measurements of all runs, as rules name them."""
        found = [layout.measurements_file(run) for run in self.runs.values()]
        asked = [run for run in self.runs.values() if self._extractions[run.slug]]
        return [f"results/{file}" for file in [*found, *map(layout.extraction_file, asked)]]

    def source_files(self, results: Path) -> list[str]:
        """The files of the sources that are files. results: the folder that has the published ones."""
        files = (locations.source_file(source, results) for source in self.sources)
        return [str(file) for file in files if file]

    def scored_people(self, run: str) -> int:
        """How many people of a run's dataset are scored, by the run's slug."""
        n_people = self.runs[run].dataset.n_people
        return min(n_people, self.config.scored_people or n_people)

    def example_run(self) -> str:
        """The slug of the run that the error budget is made for, by a rule that results cannot sway.

        Of the first experiment's first grid: first dataset, middle architecture, most exposures, first seed.
        """
        first = next(iter(self.experiments.values()))
        grid = first.grids[0]
        middle, seed = grid.architectures[len(grid.architectures) // 2], (grid.seeds or first.seeds)[0]
        runs = [self.model(grid.datasets[0], middle, recipe, seed)[0] for recipe in grid.recipes]
        return max(runs, key=lambda run: run.recipe.exposures).slug

    def implies(self) -> list[str]:
        """What the study means, a line each: fields of models that are left out; for each dataset its bits, runs and
        tokens to train on; and what code it runs.
        """
        lines = list(self.notes)
        for slug, dataset in self.datasets.items():
            runs = [run for run in self.runs.values() if run.dataset == dataset]
            words = sum(training_words(dataset, run.recipe) for run in runs)
            about = "about" if dataset.tokenizer == WORD_LEVEL else "at least"
            lines.append(
                f"{slug}: {format_amount(dataset.bits_max)} bits; {len(runs)} {'run' if len(runs) == 1 else 'runs'} "
                f"of {about} {format_amount(words)} tokens in all"
            )
        functions = {
            run.architecture.function
            for run in self.runs.values()
            if isinstance(run.architecture, PythonModel)
        }
        return lines + [
            f"{name}: this code is run, since the configuration names it" for name in sorted(functions)
        ]

    def models(self, experiment: str, seeds: Iterable[int] | None = None) -> Iterator[tuple[Run, ...]]:
        """What an experiment trains: for each model and seed a run with each learning rate. seeds: other ones."""
        spec = self.experiments[experiment]
        for grid in spec.grids:
            for names in product(grid.datasets, grid.architectures, grid.recipes):
                for seed in seeds or grid.seeds or spec.seeds:
                    yield self.model(*names, seed)

    def model(self, dataset: str, architecture: str, recipe: str, seed: int) -> tuple[Run, ...]:
        """What these names in the configuration stand for: a run with each learning rate of the recipe."""
        people, decoder = self.config.datasets[dataset], self.config.architecture(architecture)
        assert decoder
        return tuple(Run(people, decoder, one, seed) for one in self.config.each(recipe, people, decoder))


def _set_seeds(experiment: Experiment, number: int | None) -> Experiment:
    """An experiment with so many seeds in all of its grids; as it is for None."""
    if number is None:
        return experiment
    grids = [replace(grid, seeds=None) for grid in experiment.grids]
    return replace(experiment, seeds=list(range(number)), grids=grids)
