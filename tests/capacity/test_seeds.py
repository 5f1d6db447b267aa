"""Intervals over seeds: Student's t where seeds spread, people alone where there is one seed."""

import numpy as np
import pytest
from knowledge_capacity.capacity.seeds import over_seeds, standard_error


def test_seeds_that_spread() -> None:
    values = [0.50, 0.54, 0.58]
    mean, low, high = over_seeds(values, [0.001] * 3)
    assert mean == pytest.approx(0.54)
    assert high - mean == pytest.approx(4.303 * 0.04 / np.sqrt(3))
    assert mean - low == pytest.approx(high - mean)


def test_seeds_that_agree_by_chance_are_no_surer_than_people_allow() -> None:
    assert over_seeds([0.5, 0.5], [0.03, 0.04]).high - 0.5 == pytest.approx(12.706 * np.sqrt(0.00125 / 2))


def test_one_seed_covers_people() -> None:
    assert over_seeds([0.5], [0.02]) == pytest.approx((0.5, 0.5 - 0.0392, 0.5 + 0.0392))
    assert standard_error(0.5 - 0.0392, 0.5 + 0.0392) == pytest.approx(0.02)


@pytest.mark.parametrize("seeds", [2, 3, 5, 40])
def test_the_interval_holds_the_truth_as_often_as_it_says(seeds: int) -> None:
    random, held = np.random.default_rng(seeds), 0
    for _ in range(2000):
        _, low, high = over_seeds(list(random.normal(1.0, 0.1, size=seeds)), [0.0] * seeds)
        held += low <= 1.0 <= high
    assert held / 2000 == pytest.approx(0.95, abs=0.02)  # four standard errors
