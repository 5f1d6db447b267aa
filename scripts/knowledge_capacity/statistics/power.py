"""How small a difference so many seeds can tell: the power of Student's t test.

A difference is told if the 95 % interval of the logarithm of a ratio lies on the right side of 1. The mean difference
over its standard error is then noncentral t, shifted by the true difference over that error (Owen 1965, "The power of
Student's t-test", Journal of the American Statistical Association 60, 320-333).
"""

import math
from typing import NamedTuple

from scipy import optimize, stats

from .intervals import NO_PRIOR, Prior, student_quantile

POWER = 0.8  # how often a difference shall be found
MOST_SHIFT = 1e4  # standard errors


class Detectable(NamedTuple):
    """The least ratios above 1 that so many seeds on each side tell from 1 in POWER of studies.

    paired: both sides have the same seeds. unpaired: each has its own.
    """

    seeds: int
    paired: float
    unpaired: float


def find_power(shift: float, freedom: float) -> float:
    """How often a true difference of `shift` standard errors is told at 95 %, on its own side."""
    return float(stats.nct.sf(student_quantile(freedom), freedom, shift))


def find_shift(freedom: float, power: float = POWER) -> float:
    """How many standard errors a true difference has that is told so often."""
    return float(optimize.brentq(lambda shift: find_power(shift, freedom) - power, 0.0, MOST_SHIFT))


def detectable_ratio(spread: float, seeds: int, prior: Prior = NO_PRIOR) -> Detectable:
    """What so many seeds on each side tell, if R of both sides spreads alike.

    spread: of log R over seeds, as a standard deviation. prior: what other cells say of it; its freedom counts beside
    that of the seeds. Seeds that are paired count as independent all the same, since R of two published
    models is hardly correlated over the seeds that they share. So pairing leaves the error, and costs half the freedom.
    """
    error = spread * math.sqrt(2 / seeds)
    ratios = (math.exp(error * find_shift(many * (seeds - 1) + prior.freedom)) for many in (1, 2))
    return Detectable(seeds, *ratios)
