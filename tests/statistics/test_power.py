"""The differences that so many seeds are said to tell are told as often as said, by the intervals that decide."""

import math

import numpy as np
import pytest
from knowledge_capacity.statistics import power
from knowledge_capacity.statistics.intervals import Prior, interval_over_units
from scipy import stats

SPREAD = 0.15
STUDIES = 1500
CHANCE = 0.035  # three standard errors of a share of 0.8 over so many studies


@pytest.mark.parametrize("seeds", [2, 3, 8])
@pytest.mark.parametrize("borrowed", [0.0, 3.3, 20.0])
def test_paired_seeds_tell_what_is_said(seeds: int, borrowed: float) -> None:
    """By the intervals of make bits and make compare, of models whose seeds spread as is said."""
    found = power.detectable_ratio(SPREAD, seeds, Prior(SPREAD**2, borrowed))
    generator = np.random.default_rng(1)
    draws = generator.normal(math.log(found.paired), math.sqrt(2) * SPREAD, (STUDIES, seeds))
    prior = Prior(2 * SPREAD**2, borrowed)
    told = [interval_over_units([list(logs)], [[0.0] * seeds], [prior]).low > 0 for logs in draws]
    assert np.mean(told) == pytest.approx(power.POWER, abs=CHANCE)


@pytest.mark.parametrize("seeds", [2, 4, 24])
def test_unpaired_seeds_tell_what_is_said(seeds: int) -> None:
    found = power.detectable_ratio(SPREAD, seeds)
    generator = np.random.default_rng(2)
    a, b = generator.normal(0, SPREAD, (2, STUDIES, seeds))
    test = stats.ttest_ind(a + math.log(found.unpaired), b, axis=1)
    assert np.mean((test.pvalue < 0.05) & (test.statistic > 0)) == pytest.approx(power.POWER, abs=CHANCE)


def test_more_seeds_and_what_others_say_tell_smaller_differences() -> None:
    ratios = [power.detectable_ratio(SPREAD, seeds) for seeds in (2, 3, 4, 6, 8, 12, 16, 24)]
    for column in zip(*((one.paired, one.unpaired) for one in ratios), strict=True):
        assert list(column) == sorted(column, reverse=True)
    assert all(one.unpaired < one.paired for one in ratios)
    # many seeds: the quantiles of the normal distribution, 1.96 and 0.84
    assert math.log(power.detectable_ratio(SPREAD, 5000).paired) == pytest.approx(
        2.80 * SPREAD * math.sqrt(2 / 5000), rel=1e-3
    )
    assert power.detectable_ratio(SPREAD, 2, Prior(SPREAD**2, 5)).paired < ratios[0].paired


def test_how_often_is_from_chance_to_always() -> None:
    assert power.find_power(0.0, 5) == pytest.approx(0.025)
    assert power.find_power(50.0, 5) == pytest.approx(1.0)
