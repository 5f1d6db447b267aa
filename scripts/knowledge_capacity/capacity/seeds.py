"""Intervals over seeds: how far a number would move with other people, wording, order and initial weights."""

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

import numpy as np

NORMAL = 1.960  # half the width of a 95 % interval, in standard errors
# the same by Student's t with 1, 2, … degrees of freedom, for a spread that is itself estimated
STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145)


class Interval(NamedTuple):
    """A mean over seeds, and its 95 % interval."""

    mean: float
    low: float
    high: float


def over_seeds(values: Sequence[float], errors: Sequence[float]) -> Interval:
    """The mean of one value a seed. errors: the standard error of each from its people alone.

    A seed draws its people anew, so the spread of seeds holds that of people, but a few seeds may agree by
    chance: of the two variances the larger one counts. It is divided by the number of seeds, and the interval
    is Student's. With one seed it covers people alone.
    """
    n = len(values)
    people = float(np.mean(np.square(errors)))
    if n == 1:
        half = NORMAL * sqrt(people)
    else:
        spread = max(float(np.var(values, ddof=1)), people)
        half = STUDENT[min(n - 1, len(STUDENT)) - 1] * sqrt(spread / n)
    mean = float(np.mean(values))
    return Interval(mean, mean - half, mean + half)


def standard_error(low: float, high: float) -> float:
    """Of a number whose 95 % interval is this."""
    return (high - low) / (2 * NORMAL)
