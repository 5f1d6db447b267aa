"""The capacity of an architecture: C bits per parameter, from runs of any size on any datasets.

A run of P parameters on a dataset of B bits has a capacity c of its own, and learns

    bits = ((c·P)^-k + B^-k)^(-1/k)

that is min(c·P, B) with its corner rounded off; k is how sharp the corner is. Runs scatter around C:
log c is normal with mean log C and standard deviation τ. A run that is data-limited says only that its c is
at least that of a run at the limit (a censored observation), so it cannot pull C down. C, k and τ are those
of the largest likelihood. The interval of C is that of the profile likelihood, by a threshold that for runs
far below their datasets makes it Student's: 2·(ℓ − ℓ(C)) ≤ n·log(1 + t²/f), with n the runs that are not
data-limited, and f = n − 1 degrees of freedom, or n − 2 if runs near the corner have k estimated as well.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from ..files import UserError
from ..measurements.measurement_table import DATA_LIMITED
from .bootstrap import LEVEL
from .intervals import (
    NO_PRIOR,
    Interval,
    Prior,
    f_test_p_value,
    interval_over_seeds,
    student_quantile,
)

SHARPNESS = np.geomspace(1.0, 32.0, 64)  # k that are tried: from hardly a corner to a plain minimum
SPREADS = np.geomspace(0.002, 1.5, 40)  # τ that are tried
CORNERED = 0.9  # a run of which a smaller share shows tells of k too
FAR = 20.0  # in log C: an interval that reaches so far has no end
WIDE = 10.0  # an interval whose ends are this many times apart is of no use
SHAPED = 4  # fewer runs that no dataset limits tell nothing of k and τ
MIN_STRETCH = 0.05  # in log P: sizes closer than this do not show a drift

Curve = NDArray[np.float64]


@dataclass(frozen=True)
class Observation:
    """What one run shows. size: which runs differ in their seed alone. error: of bits, from people alone."""

    size: str
    seed: int
    n_parameters: float
    bits: float
    bits_max: float
    error: float = 0.0

    @property
    def limited(self) -> bool:
        return self.bits >= DATA_LIMITED * self.bits_max

    @property
    def ratio(self) -> float:
        """Bits per parameter."""
        return self.bits / self.n_parameters


@dataclass(frozen=True)
class Fit:
    """What runs say of the capacity, in bits per parameter.

    bound: both ends of the interval, or low alone, where fewer than two runs are not data-limited.
    sharpness: k. spread: τ. drift: by what factor c changes from the smallest size to the largest one, with
    its 95 % interval; None where sizes do not differ. differ: whether sizes lie apart by more than seeds.
    nothing: runs at or below zero bits, which have no logarithm and are left out. sizes: how many different
    ones the runs have that C rests on.
    """

    bound: Literal["both", "low"]
    capacity: Interval
    sharpness: float
    spread: float
    runs: int
    limited: int
    nothing: int
    drift: Interval | None
    differ: bool
    sizes: int

    @property
    def determined(self) -> bool:
        """Whether the interval of C has two ends, and these are near enough to each other to be of use."""
        return self.bound == "both" and self.capacity.low * WIDE >= self.capacity.high

    @property
    def shaped(self) -> bool:
        """Whether there are runs enough to tell of k and τ."""
        return self.runs - self.limited >= SHAPED

    @property
    def warnings(self) -> list[str]:
        """What speaks against one C, or stands in the way of it; a sentence each."""
        said = []
        if self.bound == "low":
            said.append(
                "The datasets limit too many runs: a lower bound only. Add smaller models or more people."
            )
        elif not self.determined:
            said.append(
                f"The ends of the interval of C lie more than {WIDE:g} times apart. Add seeds or sizes."
            )
        if self.drift and (self.drift.low > 1 or self.drift.high < 1):
            verb = "grows" if self.drift.mean > 1 else "falls"
            said.append(
                f"Capacity {verb} with size, {self.drift.mean:z.2f} times from the smallest to the largest "
                f"({self.drift.low:z.2f} to {self.drift.high:z.2f}): one C does not describe them."
            )
        elif self.differ:
            said.append("Sizes lie apart by more than seeds do: one C does not describe them.")
        if self.sizes == 1 and self.bound == "both":
            said.append("One size only: whether C is the same at others, these runs cannot tell.")
        if self.nothing:
            said.append(f"Runs that learned nothing are left out ({self.nothing}): C is that of the others.")
        return said


def learned_bits(capacity: float | Curve, n_parameters: Curve, bits_max: Curve, sharpness: float) -> Curve:
    """The bits that a model of this capacity (bits per parameter) learns of a dataset."""
    wanted = np.log(capacity * n_parameters / bits_max)
    return bits_max * np.exp(-np.logaddexp(0.0, -sharpness * wanted) / sharpness)


def fit_capacity(observations: Sequence[Observation], prior: Prior = NO_PRIOR) -> Fit:
    """The capacity behind these runs. Raises UserError where fewer than two runs have learned something.

    prior: what other cells say of the variance of log R over seeds. Runs that agree better than their kind make C no
    surer than it allows.
    """
    runs = [run for run in observations if run.bits > 0]
    nothing = len(observations) - len(runs)
    if len(runs) < 2:
        raise UserError(
            f"A capacity takes two runs at least that have learned something, and here is {len(runs)}. "
            "Add seeds or sizes."
        )
    free = [run for run in runs if not run.limited]
    if len(free) < 2:
        return _fit_lower_bound(runs, nothing)
    profile = _ProfileLikelihood(runs)
    log_capacity = profile.top()
    most, sharpness, spread = profile(log_capacity)
    values = _log_capacities(free, sharpness)
    differ = f_test_p_value(values) < 1 - LEVEL
    n, inflation = len(free), 1.0
    cornered = n > 2 and min(own_capacity(run, sharpness)[1] for run in free) < CORNERED
    freedom = n - 2 if cornered else n - 1
    quantile = student_quantile(freedom)
    if differ:  # then sizes, not runs, are what has been drawn
        quantile = student_quantile(len(values) - 1)
        between = float(np.var([np.mean(one) for one in values], ddof=1)) / len(values)
        inflation = max(1.0, between / (spread**2 / n))
    own = spread**2 + float(np.mean([(run.error / run.bits) ** 2 for run in free]))
    moderated = (freedom * own + prior.freedom * prior.variance) / (freedom + prior.freedom)
    inflation = max(inflation, moderated / own)
    threshold = n * math.log1p(quantile**2 / freedom) * inflation
    ends = [_interval_end(profile, log_capacity, most - threshold / 2, way) for way in (-1, 1)]
    capacity = Interval(*map(math.exp, (log_capacity, *ends)))
    limited = len(runs) - n
    drift = _fit_drift(free, sharpness)
    return Fit("both", capacity, sharpness, spread, len(runs), limited, nothing, drift, differ, len(values))


def own_capacity(run: Observation, sharpness: float) -> tuple[float, float]:
    """log c of a run, at most that at the limit, and the share of c that shows: d log bits / d log c."""
    filled = min(run.bits / run.bits_max, DATA_LIMITED)
    share = -math.expm1(sharpness * math.log(filled))
    return math.log(filled * run.bits_max / run.n_parameters) - math.log(share) / sharpness, share


class _ProfileLikelihood:
    """The likelihood of log bits, the largest over k and τ: called with log C, it gives its log, k and τ."""

    def __init__(self, runs: Sequence[Observation]) -> None:
        found = np.array([[own_capacity(run, k) for run in runs] for k in SHARPNESS])
        own, share = found[:, None, :, 0], found[:, None, :, 1]  # (k, 1, run)
        errors = np.array([run.error / run.bits for run in runs])
        self.own, self.scale = own, np.hypot(SPREADS[:, None], errors / share)  # (k, τ, run)
        self.limited = np.array([run.limited for run in runs])
        self.jacobian = np.log(self.scale * share)

    def __call__(self, log_capacity: float) -> tuple[float, float, float]:
        z = (self.own - log_capacity) / self.scale
        each = -0.5 * z * z - self.jacobian
        each[..., self.limited] = special.log_ndtr(-z[..., self.limited])
        total = each.sum(axis=2)
        k, spread = np.unravel_index(total.argmax(), total.shape)
        return float(total[k, spread]), float(SHARPNESS[k]), float(SPREADS[spread])

    def top(self) -> float:
        """The log C of the largest likelihood."""
        grid = np.linspace(self.own.min() - 0.1, self.own.max() + 0.1, 60)
        best = grid[int(np.argmax([self(c)[0] for c in grid]))]
        step = grid[1] - grid[0]
        found = optimize.minimize_scalar(
            lambda c: -self(c)[0], bounds=(best - step, best + step), method="bounded"
        )
        return float(found.x)


def _interval_end(profile: _ProfileLikelihood, top: float, level: float, way: int) -> float:
    """Where the profile falls to a level, below (way -1) or above (1) its top; infinite where it does not."""
    step = 0.02
    while profile(top + way * step)[0] > level:
        step *= 1.6
        if step > FAR:
            return way * math.inf
    inner, outer = top, top + way * step
    return float(optimize.brentq(lambda c: profile(c)[0] - level, inner, outer, xtol=1e-4))


def _fit_lower_bound(runs: Sequence[Observation], nothing: int) -> Fit:
    """The highest lower end of R among the sizes, since a run never shows more than it can hold."""
    found = [
        interval_over_seeds([run.ratio for run in group], [run.error / run.n_parameters for run in group])
        for group in _group_by_size(runs)
    ]
    best = max(found, key=lambda interval: interval.low)
    limited = sum(run.limited for run in runs)
    bound = Interval(best.mean, best.low, math.inf)
    return Fit("low", bound, math.nan, math.nan, len(runs), limited, nothing, None, False, len(found))


def _group_by_size(runs: Sequence[Observation]) -> list[list[Observation]]:
    """Runs that differ in their seed alone, together."""
    by_size: dict[str, list[Observation]] = {}
    for run in runs:
        by_size.setdefault(run.size, []).append(run)
    return list(by_size.values())


def _log_capacities(runs: Sequence[Observation], sharpness: float) -> list[list[float]]:
    """log c by size and seed."""
    return [[own_capacity(run, sharpness)[0] for run in group] for group in _group_by_size(runs)]


def _fit_drift(runs: Sequence[Observation], sharpness: float) -> Interval | None:
    """By what factor c changes from the smallest P to the largest: a regression of log c on log P.

    Runs weigh by the square of the share of their capacity that shows.
    """
    x = np.log([run.n_parameters for run in runs])
    if np.ptp(x) < MIN_STRETCH or len(runs) < 3:
        return None
    own, share = np.array([own_capacity(run, sharpness) for run in runs]).T
    weights = share**2 / np.sum(share**2)
    dx, dy = x - weights @ x, own - weights @ own
    slope = weights @ (dx * dy) / (weights @ dx**2)
    variance = weights @ (dy - slope * dx) ** 2 / (weights @ dx**2) / (len(runs) - 2)
    half = student_quantile(len(runs) - 2) * math.sqrt(variance)
    return Interval(*(math.exp((slope + way * half) * np.ptp(x)) for way in (0, -1, 1)))
