"""Which of the learning rates that a study tries counts: the one that stores most, by the mean over seeds.

The paper shows the best of a few rates where a result is negative, so that it is not one of the rate. A
choice among more rates finds a higher best, so how many were tried is told beside it.
"""

import math
from statistics import mean
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ..specs import FULL_PRECISION
from .columns import recipe_without_lr
from .measurement_table import SCHEMA


def mark_best_learning_rates(table: pa.Table) -> pa.Table:
    """The measurements with `lr_tried` and `lr_best` filled in.

    Runs that differ in seed and learning rate alone are compared by their capacity_ratio at full precision,
    over the seeds that all rates have (over all, where there are none); a rate that diverged with any seed
    is the worst. All variants and seeds of the best rate are marked; of equals, the lower rate. What is not
    measured at full precision is left as it was.
    """
    rows = table.to_pylist()
    ratios: dict[Any, dict[float, dict[int, float]]] = {}  # by group, rate and seed
    for row in rows:
        if row["variant"] == FULL_PRECISION:
            ratio = -math.inf if row["diverged"] else row["capacity_ratio"]
            ratios.setdefault(_group_key(row), {}).setdefault(row["lr"], {})[row["seed"]] = ratio
    best = {group: best_learning_rate(by_rate) for group, by_rate in ratios.items()}
    for row in rows:
        if (group := _group_key(row)) in best:
            row["lr_tried"], row["lr_best"] = sorted(ratios[group]), row["lr"] == best[group]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def requested_mask(table: pa.Table, experiment: str) -> pa.Array:
    """Which measurements an experiment asks for; those that no study collected count for all."""
    names = table["experiments"].to_pylist()
    return pa.array([one is None or experiment in one for one in names], pa.bool_())


def select_experiment_runs(table: pa.Table, experiment: str) -> pa.Table:
    """All measurements of the runs that an experiment asks for, with the best of the rates that it asks for marked.

    Another experiment may have tried more of them.
    """
    runs = pc.unique(table.filter(requested_mask(table, experiment))["run"])
    return mark_best_learning_rates(table.filter(pc.is_in(table["run"], runs)))


def best_learning_rate(by_rate: dict[float, dict[int, float]]) -> float:
    """The rate with the highest mean over the seeds that all have (over all, if there are none); of equals, the lower.

    by_rate: by rate and seed, -inf for a run that diverged, which makes its rate the worst.
    """
    common = set.intersection(*(set(by_seed) for by_seed in by_rate.values()))
    means = {}
    for rate, by_seed in by_rate.items():
        counted = [ratio for seed, ratio in by_seed.items() if seed in common or not common]
        means[rate] = min(by_seed.values()) if -math.inf in by_seed.values() else mean(counted)
    return max(sorted(means), key=means.__getitem__)


def _group_key(row: dict[str, Any]) -> tuple[str, str, str]:
    """What a run is but for seed and learning rate."""
    return row["dataset"], row["architecture"], recipe_without_lr(row["recipe_spec"])
