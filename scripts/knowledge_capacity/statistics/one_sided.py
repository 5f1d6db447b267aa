"""How large, or small, a ratio is at most where one side has learned nothing, so that it has no logarithm."""

import math
from collections.abc import Sequence

import numpy as np
from scipy import optimize

from .intervals import interval_over_units, standard_error
from .pairing import Pair


def ratio_upper_bound(units: Sequence[Pair]) -> float:
    """The upper end of the 95 % interval of mean R of a over mean R of b; infinite where b may have learned nothing.

    It needs no logarithm, so that a may have learned nothing: it is the least ratio t for which the interval of the
    mean of a - t b, by `interval_over_units`, lies below zero (Fieller 1954). 0 where a lies below zero.
    """
    r = [[side.capacity_ratio.to_numpy() for side in (unit.a, unit.b)] for unit in units]
    errors = [
        [
            (standard_error(side.bits_learned_low, side.bits_learned_high) / side.n_parameters).to_numpy()
            for side in (unit.a, unit.b)
        ]
        for unit in units
    ]
    people = 0.0 if has_same_runs(units) else 1.0

    def above(t: float, of_a: float = 1.0) -> float:
        values = [list(of_a * a - t * b) for a, b in r]
        return interval_over_units(values, [list(people * np.hypot(of_a * a, t * b)) for a, b in errors]).high

    if above(1.0, 0.0) >= 0:
        return math.inf
    if above(0.0) <= 0:
        return 0.0
    end = 1.0
    while above(end) > 0:
        end *= 2
    return float(optimize.brentq(above, 0.0, end))


def ratio_lower_bound(units: Sequence[Pair]) -> float:
    """The lower end, likewise, where b may have learned nothing; 0 where a may have as well."""
    upper = ratio_upper_bound([Pair(unit.shared, unit.b, unit.a) for unit in units])
    return 1 / upper if upper else math.inf


def has_same_runs(units: Sequence[Pair]) -> bool:
    """Whether a and b are variants of the same runs, of several seeds."""
    return all(list(u.a.run) == list(u.b.run) and u.seeds > 1 for u in units)
