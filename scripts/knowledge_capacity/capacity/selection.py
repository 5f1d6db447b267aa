"""Which of the learning rates that a study tries counts: the one that stores most, by the mean over seeds.

The paper shows the best of a few rates where a result is negative, so that it is not one of the rate. A
choice among more rates finds a higher best, so how many were tried is told beside it.
"""

import json
from typing import Any

import pyarrow as pa

from ..specs import FULL_PRECISION
from .measurement import SCHEMA


def marked(table: pa.Table) -> pa.Table:
    """The measurements with `lr_tried` and `lr_best` filled in.

    Runs that differ in seed and learning rate alone are compared by their capacity_ratio at full precision; a
    run that diverged counts as the worst. All variants and seeds of the best rate are marked; of equals, the
    lower rate.
    """
    rows = table.to_pylist()
    ratios: dict[Any, dict[float, list[float]]] = {}
    for row in rows:
        if row["variant"] == FULL_PRECISION:
            ratio = -float("inf") if row["diverged"] else row["capacity_ratio"]
            ratios.setdefault(_group(row), {}).setdefault(row["lr"], []).append(ratio)
    for row in rows:
        tried = ratios[_group(row)]
        best = max(sorted(tried), key=lambda lr: sum(tried[lr]) / len(tried[lr]))
        row["lr_tried"], row["lr_best"] = sorted(tried), row["lr"] == best
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def _group(row: dict[str, Any]) -> tuple[str, str, str]:
    """What a run is but for seed and learning rate."""
    recipe = {key: value for key, value in json.loads(row["recipe_spec"]).items() if key != "lr"}
    return row["dataset"], row["architecture"], json.dumps(recipe, sort_keys=True)
