"""Intervals over seeds: how far a number would move with other people, wording, order and initial weights."""

import math
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


class Prior(NamedTuple):
    """What other cells say of the variance over seeds, and how many degrees of freedom that is worth."""

    variance: float = 0.0
    freedom: float = 0.0


NO_PRIOR = Prior()


def student_quantile(freedom: float, level: float = (1 + LEVEL) / 2) -> float:
    """The quantile of Student's t; by default, half the width of a 95 % interval in standard errors."""
    return float(stats.t.ppf(level, freedom))


def interval_over_seeds(
    values: Sequence[float],
    errors: Sequence[float],
    prior: Prior = NO_PRIOR,
    level: float = (1 + LEVEL) / 2,
) -> Interval:
    """The mean of one value a seed. errors: the standard error of each from its people alone.

    prior: what other cells say of the variance over seeds (`spread`). level: of the upper end, and by symmetry of the
    lower one: 0.975 for a 95 % interval.

    A seed draws its people anew, so the spread of seeds holds that of people already, and adding the two
    would count people twice. But a few seeds may agree by chance. So the interval is the wider one of two:
    Student's, by the spread of seeds, and the normal one, by people alone. The first holds the truth in 95 %
    of cases however much seeds spread, so the wider one does in no fewer. One seed without a prior covers people alone.
    """
    return interval_over_units([values], [errors], [prior], level)


def interval_over_units(
    values: Sequence[Sequence[float]],
    errors: Sequence[Sequence[float]],
    priors: Sequence[Prior] = (),
    level: float = (1 + LEVEL) / 2,
) -> Interval:
    """The mean over units (such as sizes of a model) of the mean over seeds.

    values, errors: by unit and seed. Units may lie apart; only the spread of seeds within them counts, pooled
    over units, with as many degrees of freedom as there are values more than units. What is trained at one
    size knows nothing of another, but one seed means the same people everywhere: their part of the variance
    does not fall with the number of units. priors, level: as in `interval_over_seeds`. Priors come from the same
    cells, so their freedom counts once.
    """
    units, n = len(values), [len(unit) for unit in values]
    means = [float(np.mean(unit)) for unit in values]
    mean = float(np.mean(means))
    people = float(np.mean([error**2 for unit in errors for error in unit]))
    shared = people * float(np.mean([1 / count for count in n]))
    normal = float(stats.norm.ppf(level))
    half = normal * sqrt(shared)
    borrowed = min((one.freedom for one in priors), default=0.0)
    freedom = sum(n) - units + borrowed
    if freedom:
        squares = sum((x - m) ** 2 for unit, m in zip(values, means, strict=True) for x in unit)
        if borrowed:
            squares += borrowed * float(np.mean([one.variance for one in priors]))
        drawn = squares / freedom * sum(1 / count for count in n) / units**2
        by_spread = student_quantile(freedom, level) ** 2 * drawn + normal**2 * shared * (1 - 1 / units)
        half = max(half, sqrt(by_spread))
    return Interval(mean, mean - half, mean + half)


def independent_ratio(a: Interval, b: Interval) -> Interval:
    """a over b, both positive, by the method of variance estimates recovery on a logarithmic scale.

    Zou & Donner 2008, "Construction of confidence limits about effect measures", Statistics in Medicine 27, 1693-1702.
    An end is infinite, or zero, where the interval of a or b reaches zero.
    """
    mean = a.mean / b.mean
    down = (
        math.inf
        if min(a.low, b.mean) <= 0
        else math.hypot(math.log(a.mean / a.low), math.log(b.high / b.mean))
    )
    up = math.inf if b.low <= 0 else math.hypot(math.log(a.high / a.mean), math.log(b.mean / b.low))
    return Interval(mean, mean * math.exp(-down), mean * math.exp(up))


def independent_difference(a: Interval, b: Interval) -> Interval:
    """a less b, by the same method without logarithms."""
    mean = a.mean - b.mean
    down = math.hypot(a.mean - a.low, b.high - b.mean)
    up = math.hypot(a.high - a.mean, b.mean - b.low)
    return Interval(mean, mean - down, mean + up)


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
