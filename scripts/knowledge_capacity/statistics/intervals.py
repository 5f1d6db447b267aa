"""Intervals over seeds: how far a number would move with other people, wording, order and initial weights."""

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

import numpy as np
from scipy import stats

from .bootstrap import LEVEL

NORMAL = float(stats.norm.ppf((1 + LEVEL) / 2))  # half the width of a 95 % interval, in standard errors


class Interval(NamedTuple):
    """A mean over seeds, and its 95 % interval."""

    mean: float
    low: float
    high: float


def student_quantile(freedom: int, level: float = (1 + LEVEL) / 2) -> float:
    """The quantile of Student's t; by default, half the width of a 95 % interval in standard errors."""
    return float(stats.t.ppf(level, freedom))


def interval_over_seeds(values: Sequence[float], errors: Sequence[float]) -> Interval:
    """The mean of one value a seed. errors: the standard error of each from its people alone.

    A seed draws its people anew, so the spread of seeds holds that of people already, and adding the two
    would count people twice. But a few seeds may agree by chance. So the interval is the wider one of two:
    Student's, by the spread of seeds, and the normal one, by people alone. The first holds the truth in 95 %
    of cases however much seeds spread, so the wider one does in no fewer. One seed covers people alone.
    """
    return interval_over_units([values], [errors])


def interval_over_units(values: Sequence[Sequence[float]], errors: Sequence[Sequence[float]]) -> Interval:
    """The mean over units (such as sizes of a model) of the mean over seeds.

    values, errors: by unit and seed. Units may lie apart; only the spread of seeds within them counts, pooled
    over units, with as many degrees of freedom as there are values more than units. What is trained at one
    size knows nothing of another, but one seed means the same people everywhere: their part of the variance
    does not fall with the number of units.
    """
    units, n = len(values), [len(unit) for unit in values]
    means = [float(np.mean(unit)) for unit in values]
    mean = float(np.mean(means))
    people = float(np.mean([error**2 for unit in errors for error in unit]))
    shared = people * float(np.mean([1 / count for count in n]))
    half = NORMAL * sqrt(shared)
    freedom = sum(n) - units
    if freedom:
        within = sum((x - m) ** 2 for unit, m in zip(values, means, strict=True) for x in unit) / freedom
        drawn = within * sum(1 / count for count in n) / units**2
        by_spread = student_quantile(freedom) ** 2 * drawn + NORMAL**2 * shared * (1 - 1 / units)
        half = max(half, sqrt(by_spread))
    return Interval(mean, mean - half, mean + half)


def f_test_p_value(values: Sequence[Sequence[float]]) -> float:
    """How likely units would lie as far apart by chance as they do: the p of an F test.

    values: by unit and seed. 1 if it cannot be told.
    """
    if len(values) < 2 or sum(map(len, values)) == len(values):
        return 1.0
    within = sum(float(np.ptp(unit)) for unit in values)
    return float(stats.f_oneway(*values).pvalue) if within else 1.0


def standard_error(low: float, high: float) -> float:
    """Of a number whose 95 % interval is this."""
    return (high - low) / (2 * NORMAL)
