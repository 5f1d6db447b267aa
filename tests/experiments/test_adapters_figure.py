"""Adapters by rank and placement: their points, figure and table, and which two are compared."""

from typing import Any

import numpy as np
import pytest
from experiments.test_figures import RECORD, table
from knowledge_capacity.data.pieces import Term
from knowledge_capacity.experiments import adapters
from knowledge_capacity.measuring import result_row
from knowledge_capacity.specs import Adapter, Architecture, Base, BioS, Pools, Recipe, Run
from knowledge_capacity.verdicts.claims import NotMeasured

POOLS = Pools(16, 16, 32, birth_years=16, cities=16, universities=16, majors=16, employers=16)
OTHERS = Base("others", 300, 300, 1e-2)


def measured(adapter: Adapter | None, seed: int, loss: float, trained: int) -> dict[str, Any]:
    """A run that loses so many nats on every fact. trained: how many parameters were."""
    recipe = Recipe(100, 1e-3, adapter=adapter)
    run = Run(BioS(500, pools=POOLS), Architecture(2, 1, 32), recipe, seed)
    losses = np.full((4, 500, len(Term)), loss + seed / 100)
    losses[:, :, Term.LATE_EMPLOYER] = 0.0
    record = {**RECORD, **({"trained_parameters": trained} if adapter else {})}
    variant = result_row.Variant("fp32", 32.0, losses, 1.0)
    return result_row.measurement_row(run, record, 32_000, variant, "1" * 12)


def rows(*cells: tuple[Adapter | None, float, int]) -> list[dict[str, Any]]:
    return [measured(adapter, seed, loss, trained) for adapter, loss, trained in cells for seed in (0, 1, 2)]


CELLS = [
    (None, 0.1, 0),
    (Adapter(1, base=OTHERS), 2.5, 1_000),
    (Adapter(16, base=OTHERS), 2.2, 12_000),
    (Adapter(4, "mlp", OTHERS), 2.0, 2_500),
    (Adapter(4, "attention", OTHERS), 2.4, 1_500),
    (Adapter(4), 9.0, 4_000),
]


def test_r_is_per_trained_parameter() -> None:
    frame = table(*rows(*CELLS)).to_pandas()
    points = adapters.select_points(frame)
    assert set(points.n_parameters) == {32_000, 1_000, 12_000, 2_500, 1_500, 4_000}
    one = frame[frame.recipe.str.contains("adapter1-")]
    assert list(one.capacity_ratio * 1_000) == pytest.approx(list(one.bits_learned))
    assert list(one.capacity_ratio_max * 1_000) == pytest.approx(list(one.bits_max))
    assert list(one.train_flops) == [6.0 * 32_000 * RECORD["tokens"]] * 3
    assert adapters.select_points(table(*rows(CELLS[0])).to_pandas()).empty


def test_the_figure_and_the_table_show_every_adapter() -> None:
    points = adapters.select_points(table(*rows(*CELLS)).to_pandas())
    figure = adapters.draw_figure(points)
    left, right = figure.axes
    assert (len(left.containers), len(right.containers)) == (3, 3)  # in all layers; of rank 4
    told = adapters.tabulate_points(points)
    assert list(told["trained"]).count("all weights") == 1
    assert len(told) == 6
    assert "on other people: " in adapters.describe_figure(points)


def test_ratios_are_of_one_base_and_of_adapters_that_learned() -> None:
    frame = table(*rows(*CELLS)).to_pandas()
    means = frame.groupby("recipe").capacity_ratio.mean()

    def mean(part: str) -> float:
        return float(means[next(name for name in means.index if part in name)])

    assert adapters.mlp_attention_difference(frame).value.mean == pytest.approx(
        mean("adapter4-mlp") - mean("adapter4-attention")
    )
    lowest = frame[frame.recipe.str.contains("adapter1-on")]
    worse = frame.assign(capacity_ratio=frame.capacity_ratio.mask(frame.index.isin(lowest.index), 0.1))
    assert adapters.best_lowest_rank_difference(worse).value.mean == pytest.approx(mean("adapter16") - 0.1)
    with pytest.raises(NotMeasured, match="adapters of two ranks"):
        adapters.best_lowest_rank_difference(table(*rows(CELLS[0], CELLS[1], CELLS[5])).to_pandas())
