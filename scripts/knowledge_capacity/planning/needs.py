"""What each claim needs: the fewest and cheapest models, with two seeds, that it can be judged by.

Claims say so themselves: they are asked about measurements made up for the models of a study, as if the paper's law
held, and what a claim can do without is left out. So a claim that is added is planned for as well.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import pyarrow as pa

from ..costs.rates import Rates, TrainingWork, cell_seconds
from ..experiments._contract import load_experiment
from ..measurements.columns import add_columns
from ..measurements.measurement_table import DATA_LIMITED, SCHEMA
from ..measuring.result_row import describe_run
from ..specs import FULL_BITS, Extraction, Quantizer, Run, to_json
from ..study.study import Study
from ..verdicts import claims
from ..verdicts.claims import Claim, NotMeasured

BITS = {1000: 2.0, 100: 1.0}  # per parameter, by exposures; a logarithmic line between and beyond
OFF = 0.01  # by which seeds are made to differ


@dataclass(frozen=True)
class PlannedCell:
    """A model of a study: all its learning rates, with any seed. runs: of seed 0, one a learning rate.

    work: of training one of its runs. rates: of the device that it is planned for. measuring: how many jobs make and
    measure the variants that are asked for.
    """

    runs: tuple[Run, ...]
    n_parameters: int
    work: TrainingWork
    rates: Rates
    measuring: int = 1

    def seconds(self, left: Sequence[float]) -> float:
        """To make runs of it: one job trains them, others measure them.

        left: for each, the share that is not trained yet; 0 where it has only to be measured.
        """
        if not left:
            return 0.0
        habit = self.rates.habit
        untrained = [share for share in left if share > 0]
        training = cell_seconds(self.work, untrained, self.rates) if untrained else 0.0
        return training + self.measuring * habit.start + habit.measuring * len(left)

    def whole_seconds(self, seeds: int) -> float:
        """To make so many seeds of it, from the beginning."""
        return self.seconds([1.0] * seeds * len(self.runs))

    def with_seed(self, seed: int) -> list[Run]:
        """Its runs with a seed."""
        return [replace(run, seed=seed) for run in self.runs]

    @property
    def supposed_bits(self) -> float:
        """What it would learn if the paper's law held and its dataset were hardly a limit."""
        dataset, recipe = self.runs[0].dataset, self.runs[0].recipe
        return min(_bits_per_parameter(recipe.exposures) * self.n_parameters, 0.95 * dataset.bits_max)

    @property
    def limited(self) -> bool:
        """Whether its dataset would limit it."""
        return self.supposed_bits >= DATA_LIMITED * self.runs[0].dataset.bits_max


@dataclass(frozen=True)
class ClaimNeed:
    """A claim, the cells that it is about, and those of them that will do, none where no choice of them would."""

    experiment: str
    claim: Claim
    cells: tuple[PlannedCell, ...]
    least: tuple[PlannedCell, ...]

    @property
    def seconds(self) -> float:
        """Of those that will do."""
        return sum(cell.whole_seconds(claims.LEAST_SEEDS) for cell in self.least)


def find_claim_needs(study: Study, cells: dict[tuple[Run, ...], PlannedCell]) -> list[ClaimNeed]:
    """What the claims of a study's experiments need. cells: by their runs of seed 0."""
    found = []
    for name, experiment in study.experiments.items():
        own = list(dict.fromkeys(cells[runs] for runs in study.models(name, [0])))
        named = study.config.quantizers | study.config.extractions
        variants = {study.config.variant(key): named.get(key) for key in experiment.variants}
        for claim in load_experiment(name).claims:

            def enough(
                some: Iterable[PlannedCell],
                claim: Claim = claim,
                name: str = name,
                variants: dict[str, Quantizer | Extraction | None] = variants,
            ) -> bool:
                return is_answerable(claim, simulate_measurements(some, name, variants))

            found.append(ClaimNeed(name, claim, tuple(own), tuple(fewest_cells(own, enough))))
    return found


def fewest_cells(
    cells: Sequence[PlannedCell], enough: Callable[[Iterable[PlannedCell]], bool]
) -> list[PlannedCell]:
    """A choice that is enough and that nothing can be left out of, without the dearest as far as possible.

    Empty where there is none. Models that their dataset would limit are left out first, if need be: as the best of
    all they would leave a claim open.
    """
    for kept in (list(cells), [cell for cell in cells if not cell.limited]):
        if kept and enough(kept):
            break
    else:
        return []
    for one in sorted(kept, key=lambda cell: -cell.whole_seconds(1)):
        without = [cell for cell in kept if cell is not one]
        if without and enough(without):
            kept = without
    return kept


def is_answerable(claim: Claim, rows: pd.DataFrame) -> bool:
    """Whether a claim can be judged by these measurements: a quantity, of two seeds, that more people cannot change."""
    try:
        found = claim.measure(rows) if len(rows) else None
    except NotMeasured:
        return False
    if not found or found.seeds < claims.LEAST_SEEDS or not math.isfinite(found.value.mean):
        return False
    return not claim.open_to_more_people(found)


def simulate_measurements(
    cells: Iterable[PlannedCell], experiment: str, variants: Mapping[str, Quantizer | Extraction | None]
) -> pd.DataFrame:
    """Measurements of two seeds of these cells, as they would be if the paper's law held for all.

    Weights on the way hold half of what the others do.
    """
    record: dict[str, Any] = dict.fromkeys(("precision", "device", "engine", "code", "python", "torch"), "")
    record |= {"used_tokens": 0, "steps": 0, "tokens": 0, "seconds": 0.0, "trained_at": ""}
    rows = []
    for cell in cells:
        for seed in range(claims.LEAST_SEEDS):
            run = replace(cell.runs[0], seed=seed)
            asked = {"experiments": [experiment], "lr_tried": [run.recipe.lr], "lr_best": True}
            base = {**describe_run(run, record, cell.n_parameters, ""), **asked}
            learned = (1 + OFF * seed) * cell.supposed_bits
            for time in run.recipe.snapshot_times:
                half = {**base, **_learned_columns(learned / 2, cell)}
                rows.append({**half, "variant": time.slug, "variant_spec": to_json(time)})
            for variant, spec in variants.items():
                rows.append({**base, **_learned_columns(learned, cell), "variant": variant})
                if spec:
                    rows[-1] |= {"variant_spec": to_json(spec), "quantized": ["*"]}
                if isinstance(spec, Extraction):
                    rows[-1] |= {"accuracy_by_attribute": [("all", 0.5)]}
    return add_columns(pa.Table.from_pylist(rows, schema=SCHEMA).to_pandas()) if rows else pd.DataFrame()


def _bits_per_parameter(exposures: int) -> float:
    (many, most), (few, least) = BITS.items()
    slope = (most - least) / math.log(many / few)
    return max(0.1, least + slope * math.log(max(1, exposures) / few))


def _learned_columns(bits: float, cell: PlannedCell) -> dict[str, Any]:
    """The columns of what was learned; all of it as values, spread over one attribute."""
    dataset = cell.runs[0].dataset
    return {
        "bits_per_weight": float(FULL_BITS),
        "people_scored": dataset.n_people,
        "bits_by_attribute": [("all", bits)],
        "bits_name": 0.0,
        "bits_value": bits,
        "bits_sets": 0.0,
        "bits_learned": bits,
        "bits_learned_low": 0.99 * bits,
        "bits_learned_high": 1.01 * bits,
        "bits_learned_naive": bits,
        "capacity_ratio": bits / cell.n_parameters,
        "data_limited": bits >= DATA_LIMITED * dataset.bits_max,
    }
