"""The learning rate that counts: the best by the mean over seeds, and how many were tried."""

from dataclasses import replace
from typing import Any

import pyarrow as pa
from knowledge_capacity.measurements import learning_rates, measurement_table
from knowledge_capacity.specs import Architecture, BioS, Recipe, Run, to_json

RUN = Run(BioS(n_people=10), Architecture(1, 1, 8), Recipe(exposures=10, lr=1e-3), seed=0)
FILLED: dict[pa.DataType, Any] = {
    pa.string(): "x",
    pa.int64(): 1,
    pa.float64(): 1.0,
    pa.bool_(): False,
    pa.map_(pa.string(), pa.float64()): [("name", 1.0)],
}


def row(
    ratio: float | None, lr: float, seed: int = 0, variant: str = "fp32", **changes: Any
) -> dict[str, Any]:
    """A measurement in which only what the selection reads is real."""
    run = replace(RUN, recipe=replace(RUN.recipe, lr=lr), seed=seed)
    run = replace(run, **changes)
    values = {field.name: FILLED.get(field.type) for field in measurement_table.SCHEMA}
    return values | {
        "run": run.slug,
        "dataset": run.dataset.slug,
        "architecture": run.architecture.slug,
        "recipe_spec": to_json(run.recipe),
        "lr": lr,
        "seed": seed,
        "variant": variant,
        "capacity_ratio": ratio,
        "diverged": None if ratio is not None else "the loss is nan",
        "lr_tried": None,
        "lr_best": None,
    }


def best(*rows: dict[str, Any]) -> list[bool]:
    found = learning_rates.mark_best_learning_rates(measurement_table.build_table(list(rows)))
    assert found.schema.equals(measurement_table.SCHEMA)
    return found["lr_best"].to_pylist()


def test_the_highest_mean_over_seeds_wins_with_all_its_seeds() -> None:
    rows = [row(1.0, 1e-3, 0), row(1.4, 1e-3, 1), row(1.3, 2e-3, 0), row(1.2, 2e-3, 1)]
    assert best(*rows) == [False, False, True, True]
    tried = learning_rates.mark_best_learning_rates(measurement_table.build_table(rows))[
        "lr_tried"
    ].to_pylist()
    assert tried == [[1e-3, 2e-3]] * 4


def test_variants_follow_the_weights_as_trained() -> None:
    rows = [row(1.0, 1e-3), row(0.9, 1e-3, variant="int4-rtn")]
    rows += [row(0.8, 2e-3), row(0.95, 2e-3, variant="int4-rtn")]
    assert best(*rows) == [True, True, False, False]


def test_a_run_that_diverged_never_wins() -> None:
    assert best(row(-0.5, 1e-3), row(None, 1.0)) == [True, False]
    assert best(row(5.0, 1.0, 0), row(None, 1.0, 1), row(-1.0, 1e-3)) == [False, False, True]


def test_a_rate_alone_is_the_best_and_other_recipes_do_not_compete() -> None:
    other = replace(RUN.recipe, lr=2e-3, weight_decay=0.5)
    found = best(
        row(0.1, 1e-3),
        row(0.2, 2e-3, recipe=other),
        row(0.3, 1e-3, architecture=Architecture(2, 1, 8)),
        row(0.4, 1e-3, dataset=BioS(n_people=11)),
    )
    assert found == [True] * 4


def test_marking_twice_changes_nothing() -> None:
    once = learning_rates.mark_best_learning_rates(
        measurement_table.build_table([row(0.1, 1e-3), row(0.2, 2e-3)])
    )
    assert learning_rates.mark_best_learning_rates(once).equals(once)
