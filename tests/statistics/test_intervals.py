"""Intervals over seeds: Student's t where seeds spread, people alone where there is one seed."""

import numpy as np
import pytest
from knowledge_capacity.statistics.bootstrap import bootstrap_total
from knowledge_capacity.statistics.intervals import (
    f_test_p_value,
    interval_over_seeds,
    interval_over_units,
    standard_error,
)


def test_seeds_that_spread() -> None:
    values = [0.50, 0.54, 0.58]
    mean, low, high = interval_over_seeds(values, [0.001] * 3)
    assert mean == pytest.approx(0.54)
    assert high - mean == pytest.approx(4.3027 * 0.04 / np.sqrt(3), rel=1e-4)
    assert mean - low == pytest.approx(high - mean)


def test_seeds_that_agree_by_chance_are_no_surer_than_people_allow() -> None:
    error = np.sqrt((0.03**2 + 0.04**2) / 2)
    assert interval_over_seeds([0.5, 0.5], [0.03, 0.04]).high - 0.5 == pytest.approx(
        1.96 * error / np.sqrt(2), rel=1e-4
    )


def test_one_seed_covers_people() -> None:
    assert interval_over_seeds([0.5], [0.02]) == pytest.approx((0.5, 0.5 - 0.0392, 0.5 + 0.0392), rel=1e-4)
    assert standard_error(0.5 - 0.0392, 0.5 + 0.0392) == pytest.approx(0.02, rel=1e-4)


def test_one_unit_is_its_seeds() -> None:
    values, errors = [0.4, 0.5, 0.9], [0.1, 0.2, 0.1]
    assert interval_over_units([values], [errors]) == interval_over_seeds(values, errors)


@pytest.mark.parametrize("between", [0.0, 2.0, 10.0], ids=["no spread", "some", "much"])
@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_the_interval_holds_the_truth_at_least_as_often_as_it_says(seeds: int, between: float) -> None:
    """From people to the interval: a seed draws people, who know 20 ± 10 bits each, and shifts them all.

    between: the spread of seeds, in standard errors of people. The bootstrap stands in by what it estimates.
    """
    random, repeats, people = np.random.default_rng(seeds), 3000, 60
    error = 10 / np.sqrt(people)
    bits = random.normal(20.0, 10.0, (repeats, seeds, people))
    bits += random.normal(0.0, between * error, (repeats, seeds, 1))
    means, errors = bits.mean(axis=2), bits.std(axis=2) / np.sqrt(people)
    held = 0
    for values, each in zip(means, errors, strict=True):
        _, low, high = interval_over_seeds(list(values), list(each))
        held += low <= 20.0 <= high
    four_errors = 0.016
    assert held / repeats > 0.95 - four_errors
    if between > 5:
        assert held / repeats < 0.95 + four_errors  # where people matter little, no wider than need be


def test_the_bootstrap_estimates_the_error_of_people() -> None:
    per_person = np.random.default_rng(0).normal(20.0, 10.0, 400)
    error = standard_error(*bootstrap_total(per_person))
    assert error == pytest.approx(per_person.std() * np.sqrt(400), rel=0.08)


@pytest.mark.parametrize("people", [0.0, 0.5], ids=["training alone", "people too"])
@pytest.mark.parametrize("seeds", [2, 3])
def test_units_share_their_people_and_the_interval_allows_for_it(seeds: int, people: float) -> None:
    """Five sizes that differ; seeds spread by 1 through training, and by `people` in all sizes at once."""
    random, repeats, held = np.random.default_rng(seeds), 3000, 0
    truths = np.array([1.0, 2.0, 3.0, 5.0, 9.0])
    for _ in range(repeats):
        shared = random.normal(0, people, size=seeds)
        values = truths[:, None] + shared + random.normal(0, 1, (5, seeds))
        _, low, high = interval_over_units(values.tolist(), [[people] * seeds] * 5)
        held += low <= truths.mean() <= high
    assert held / repeats > 0.95 - 0.016
    if not people:
        assert held / repeats < 0.95 + 0.016


def test_units_that_lie_apart_are_told_from_units_that_do_not() -> None:
    random = np.random.default_rng(0)
    alike = [f_test_p_value(random.normal(1.0, 0.1, (4, 2)).tolist()) for _ in range(400)]
    assert np.mean(np.array(alike) < 0.05) == pytest.approx(0.05, abs=0.045)
    assert f_test_p_value([[1.0, 1.1], [2.0, 2.1], [3.0, 3.1]]) < 0.001
    assert f_test_p_value([[1.0], [2.0]]) == 1.0
    assert f_test_p_value([[1.0, 1.2]]) == 1.0
