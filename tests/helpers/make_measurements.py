"""Measurements made up for the purpose: a run of given size that has learned given bits."""

from typing import Any

import pandas as pd
from experiments.test_figures import RECORD
from knowledge_capacity.measurements import learning_rates, measurement_table
from knowledge_capacity.measuring import result_row
from knowledge_capacity.specs import Architecture, BioS, Dataset, Recipe, Run

DATASET = BioS(n_people=50)


def row(
    ratio: float,
    architecture: Architecture,
    seed: int = 0,
    recipe: Recipe | None = None,
    dataset: Dataset = DATASET,
    n_parameters: int = 1000,
    error: float = 0.01,
    variant: str = "fp32",
    diverged: str | None = None,
) -> dict[str, Any]:
    """A row of a run that learned `ratio` bits per parameter, give or take `error` by its people."""
    run = Run(dataset, architecture, recipe or Recipe(1000, 1e-3), seed)
    record = {**RECORD, "diverged": diverged}
    described = result_row.diverged_row(run, record, n_parameters, "1" * 12)
    if diverged:
        return described
    bits, half = ratio * n_parameters, 1.959964 * error * n_parameters
    return {
        **described,
        "variant": variant,
        "bits_learned": bits,
        "bits_learned_low": bits - half,
        "bits_learned_high": bits + half,
        "capacity_ratio": ratio,
        "data_limited": bits >= 0.9 * dataset.bits_max,
    }


def table(*rows: dict[str, Any]) -> pd.DataFrame:
    """Rows as a study collects them."""
    return learning_rates.mark_best_learning_rates(measurement_table.build_table(list(rows))).to_pandas()
