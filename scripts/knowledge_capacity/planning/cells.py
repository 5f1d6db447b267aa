"""The cells of a study: what it trains, what that takes, and with which seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache

from ..costs.rates import Rates, training_work
from ..data import corpus, tokenizer
from ..files import UserError
from ..models.build import build_model
from ..specs import WORD_LEVEL, Checkpoint, Dataset, Run
from ..study import overlay_files
from ..study.study import Study
from ..training.adapters import AdaptedModel
from .needs import PlannedCell

Cells = dict[tuple[Run, ...], PlannedCell]  # by the runs of seed 0


def read_cells(study: Study, rates: Rates) -> Cells:
    """All cells of a study. Raises UserError for a checkpoint, which is not trained."""
    found: Cells = {}
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
            n_parameters = count_run_parameters(first)
            found[runs] = PlannedCell(
                runs,
                count_trained(first, embedded_tokens(first)) if first.recipe.adapter else n_parameters,
                training_work(first, n_parameters),
                rates,
                count_jobs(study, slugs[runs[0]]),
            )
    return found


def count_run_parameters(run: Run) -> int:
    """P of a run's model, where all tokens are used."""
    size, window = embedded_tokens(run), run.recipe.window
    texts = overlay_files.TextStatistics(vocabulary=size, used=size, shortest=1, longest=window)
    return overlay_files.count_parameters(run.architecture, texts, window)


def embedded_tokens(run: Run) -> int:
    """The rows of a run's embedding, with that of a domain token."""
    return vocabulary_size(run.dataset) + int(run.recipe.has_domain_token)


def count_trained(run: Run, vocabulary: int) -> int:
    """P of a run's adapter, where all tokens are used."""
    assert run.recipe.adapter
    model = build_model(run.architecture, vocabulary, run.recipe.window, seed=0)
    return AdaptedModel(model, run.recipe.adapter, seed=0).n_trained(vocabulary)


def count_jobs(study: Study, slugs: Sequence[str]) -> int:
    """How many jobs measure the runs of a cell: one, one for each method that quantises them, one that asks them."""
    methods = {method for slug in slugs for method in study.methods(slug)}
    return 1 + len(methods) + any(study.extractions(slug) for slug in slugs)


@cache
def vocabulary_size(dataset: Dataset) -> int:
    """The rows of the embedding, with the tokens of all texts counted as used."""
    sample = (
        []
        if dataset.tokenizer == WORD_LEVEL
        else ["".join(text) for text in corpus.sample_biographies(dataset)]
    )
    made = tokenizer.make_tokenizer(
        dataset.tokenizer, corpus.vocabulary_texts(dataset), sample, corpus.has_closed_vocabulary(dataset)
    )
    return tokenizer.embedding_rows(made)


def requested_seeds(
    study: Study, cells: Mapping[tuple[Run, ...], PlannedCell]
) -> dict[PlannedCell, list[int]]:
    """The seeds that a study asks for, of each of its cells."""
    found: dict[PlannedCell, list[int]] = {}
    for name in study.experiments:
        for runs in study.models(name):
            seeds = found.setdefault(cells[tuple(replace(run, seed=0) for run in runs)], [])
            if runs[0].seed not in seeds:
                seeds.append(runs[0].seed)
    return found


def study_seconds(seeds: Mapping[PlannedCell, Sequence[int]]) -> float:
    """Of all runs, where none is there yet, one cell after the other."""
    return sum(cell.whole_seconds(len(own)) for cell, own in seeds.items())
