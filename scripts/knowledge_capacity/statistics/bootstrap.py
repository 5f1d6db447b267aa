"""Intervals: how far a number of bits would move with other people."""

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
LEVEL = 0.95


def bootstrap_total(per_person: NDArray[np.float64], seed: int = 0) -> tuple[float, float]:
    """The 95 % percentile interval of the sum over people, people drawn again with replacement.

    Deterministic: the same numbers give the same interval.
    """
    random, n = np.random.default_rng(seed), len(per_person)
    totals = np.array([per_person[random.integers(n, size=n)].sum() for _ in range(RESAMPLES)])
    low, high = np.quantile(totals, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
