"""The one model of the lecture's page: how it reads one biography after more and more exposures, and when rounded."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from .. import layout
from ..data.reading import read_run_tokenizer
from ..files import UserError
from ..measurements import measurement_table
from ..measuring.biography import ScoredToken, score_biography
from ..measuring.trained_run import TrainedRun
from ..models import store
from ..quantization import variants
from ..specs import FULL_BITS, FULL_PRECISION, BioS, Run
from ..study.study import Study

PERSON = 0  # whose biography is shown: the first one, not one that was chosen


@dataclass(frozen=True)
class State:
    """The model at one point. exposures: how often it has read each biography. width: bits of a weight in its layers.

    bits_per_weight: the mean over all weights. bits_learned: of all people. tokens: of the biography.
    """

    exposures: int
    width: int
    bits_per_weight: float
    bits_learned: float
    tokens: Sequence[ScoredToken]


@dataclass(frozen=True)
class Model:
    """A model of some exposures after another, fewest first, and the last of them rounded, most bits first."""

    run: str
    dataset: BioS
    n_parameters: int
    filling: Sequence[State]
    rounding: Sequence[State]


def order_runs(study: Study) -> list[Run]:
    """The runs of a study, fewest exposures first. Raises UserError unless they differ in their exposures alone."""
    runs = sorted(study.runs.values(), key=lambda run: run.recipe.exposures)
    last, models = runs[-1], {(run.dataset.slug, run.architecture.slug, run.seed) for run in runs}
    kinds = {run.dataset.kind for run in runs}
    if len(models) != 1 or kinds != {"bioS"} or len(runs) < 2 or not study.methods(last.slug):
        raise UserError(
            f"the story: this study has {len(runs)} runs of {len(models)} models on {', '.join(sorted(kinds))}. Name a "
            "study of one model on bioS with one seed, several exposures and variants of fewer bits, such as "
            "studies/story.yaml."
        )
    return runs


def read_model(study: Study, results: Path) -> Model:
    """The model of a study. results: the folder of results.

    Raises UserError as `order_runs`, and where a run is not measured or has no result, or the last one knows nothing.
    """
    runs = order_runs(study)
    last, dataset = runs[-1], runs[-1].dataset
    assert isinstance(dataset, BioS)
    stored = {FULL_PRECISION: variants.AS_TRAINED}
    for method in study.methods(last.slug):
        wanted = {quantizer.slug for quantizer in study.quantizers(last.slug, method)}
        found = variants.read_variants(results / layout.variants_file(last, method))
        stored |= {name: one for name, one in found.items() if name in wanted}
    filling = [
        state for run in runs for state in _read_states(run, {FULL_PRECISION: variants.AS_TRAINED}, results)
    ]
    if filling[-1].bits_learned <= 0:
        remedy = "Name a study that trains longer."
        raise UserError(
            f"the story: after {last.recipe.exposures} exposures the model knows nothing. {remedy}"
        )
    rounding = sorted(_read_states(last, stored, results), key=lambda state: -state.width)
    (row, *_) = measurement_table.read_measurements(layout.measurements_path(last.slug, results)).to_pylist()
    return Model(last.slug, dataset, row["n_parameters"], filling, rounding)


def _read_states(run: Run, stored: Mapping[str, variants.StoredVariant], results: Path) -> list[State]:
    """The states of a run, by the names of its variants."""
    path = layout.measurements_path(run.slug, results)
    rows = {row["variant"]: row for row in measurement_table.read_measurements(path).to_pylist()}
    if diverged := rows[FULL_PRECISION]["diverged"]:
        raise UserError(
            f"{run.slug}: no result, since {diverged}. Train it with a lower lr (now {run.recipe.lr:g})."
        )
    subject, tokenizer = TrainedRun.read(run, results), read_run_tokenizer(run, results)
    weights = store.read_weights(subject.source)

    def read(changed: dict[str, Tensor]) -> list[ScoredToken]:
        return score_biography(subject.model(weights | changed), subject.stream, tokenizer, PERSON)

    return [
        State(
            run.recipe.exposures,
            _weight_width(rows[name]),
            rows[name]["bits_per_weight"],
            rows[name]["bits_learned"],
            read(one.matrices),
        )
        for name, one in stored.items()
    ]


def _weight_width(row: Mapping[str, Any]) -> int:
    """Bits of a weight that is rounded, or of one as trained. row: a measurement."""
    return int(json.loads(row["variant_spec"])["bits"]) if row["variant_spec"] else FULL_BITS
