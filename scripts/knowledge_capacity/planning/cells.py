"""The cells of a study: what it trains, what that takes, and with which seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..bits import request
from ..data import corpus, tokenizer
from ..files import UserError
from ..specs import WORD_LEVEL, Checkpoint, Dataset, Run
from ..study import Study
from .needs import Cell
from .rates import Rates, work_of

Cells = dict[tuple[Run, ...], Cell]  # by the runs of seed 0


def read_cells(study: Study, rates: Rates) -> Cells:
    """All cells of a study. Raises UserError for a checkpoint, which is not trained."""
    found: Cells = {}
    vocabularies: dict[Dataset, int] = {}
    slugs: dict[Run, list[str]] = {}  # of all seeds
    for slug, run in study.runs.items():
        slugs.setdefault(replace(run, seed=0), []).append(slug)
    for name in study.experiments:
        for runs in study.models(name, [0]):
            if runs in found:
                continue
            first = runs[0]
            if isinstance(first.architecture, Checkpoint):
                raise UserError(
                    f"{first.slug}: a checkpoint is not trained, so there is nothing to plan. Leave it out."
                )
            dataset, recipe = first.dataset, first.recipe
            if dataset not in vocabularies:
                vocabularies[dataset] = count_tokens(dataset)
            size = vocabularies[dataset] + int(recipe.has_domain_token)
            texts = request.Texts(vocabulary=size, used=size, shortest=1, longest=recipe.window)
            n_parameters = request.size_of(first.architecture, texts, recipe.window)
            found[runs] = Cell(
                runs, n_parameters, work_of(first, n_parameters), rates, count_jobs(study, slugs[runs[0]])
            )
    return found


def count_jobs(study: Study, slugs: Sequence[str]) -> int:
    """How many jobs measure the runs of a cell: one, one for each method that quantises them, one that asks them."""
    methods = {method for slug in slugs for method in study.methods(slug)}
    return 1 + len(methods) + any(study.extractions(slug) for slug in slugs)


def count_tokens(dataset: Dataset) -> int:
    """The rows of the embedding, with the tokens of all texts counted as used."""
    sample = [] if dataset.tokenizer == WORD_LEVEL else ["".join(text) for text in corpus.sample(dataset)]
    made = tokenizer.make(dataset.tokenizer, corpus.texts(dataset), sample, corpus.closed(dataset))
    return made.get_vocab_size()


def own_seeds(study: Study, cells: Mapping[tuple[Run, ...], Cell]) -> dict[Cell, list[int]]:
    """The seeds that a study asks for, of each of its cells."""
    found: dict[Cell, list[int]] = {}
    for name in study.experiments:
        for runs in study.models(name):
            seeds = found.setdefault(cells[tuple(replace(run, seed=0) for run in runs)], [])
            if runs[0].seed not in seeds:
                seeds.append(runs[0].seed)
    return found


def study_seconds(seeds: Mapping[Cell, Sequence[int]]) -> float:
    """Of all runs, where none is there yet, one cell after the other."""
    return sum(cell.whole_seconds(len(own)) for cell, own in seeds.items())
