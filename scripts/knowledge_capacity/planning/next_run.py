"""Which run to make next, to know a capacity C as well as is wanted at the least cost.

Greedy: among the runs that could be made, the one that is expected to narrow the interval of C most for what
it costs. A run is worth little if its dataset is likely to limit it, if it stands near the corner, where C
cannot be told from the corner's sharpness, or if its size has been measured before, since a size may be off
on its own. So most runs are of the smallest sizes: the search tells C at the cheap end of the sizes it is
given, and `Fit.drift` whether C depends on size there.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ..files import UserError
from ..measurements.measurement_table import DATA_LIMITED
from ..statistics.capacity_fit import Fit, Observation, fit_capacity, learned_bits
from ..statistics.intervals import student_quantile

PRIOR = (0.0, 1.0)  # of log C: 1 bit per parameter, give or take a factor of e
LIKE_ONE_RUN = 0.3  # of log C, when one run is known
SHARPNESS, SHARPNESS_ERROR = 4.0, 0.5  # k as long as it is not known; of log k
SIZE_SHARE = 0.5  # how far a size is taken to be off on its own, in spreads of seeds
MIN_SPREAD = 0.03  # few runs may agree by chance


@dataclass(frozen=True)
class Candidate:
    """A run that could be made. size: as in Observation. cost: in any unit, such as training FLOPs."""

    name: str
    size: str
    seed: int
    n_parameters: float
    bits_max: float
    cost: float


def fit_or_none(measured: Sequence[Observation]) -> Fit | None:
    """The fit of what is measured, or None while that is too little for any."""
    try:
        return fit_capacity(measured)
    except UserError:
        return None


def is_narrow_enough(found: Fit | None, measured: Sequence[Observation], within: float) -> bool:
    """Whether C is known: by two sizes at least, and from C / (1 + within) to C · (1 + within) or better.

    found: the fit of what is measured.
    """
    if not found or found.bound == "low":
        return False
    sizes = {run.size for run in measured if run.bits > 0 and not run.limited}
    span = math.log(found.capacity.high / found.capacity.low)
    return len(sizes) > 1 and span <= 2 * math.log1p(within)


def why_not_known(found: Fit | None, measured: Sequence[Observation], within: float) -> str | None:
    """Why C does not count as known yet, in a few words; None if it does. found: the fit of what is measured."""
    if is_narrow_enough(found, measured, within):
        return None
    if not found or found.bound == "low":
        return "there is no interval yet"
    if found.sizes == 1:
        return "one size only, and C counts as known by two at least"
    return "wider than asked"


def choose_next_run(
    measured: Sequence[Observation], candidates: Sequence[Candidate], within: float
) -> Candidate | None:
    """The candidate to run next; None where C is known well enough, or there is none left.

    candidates: those not measured yet.
    """
    found = fit_or_none(measured)
    if not candidates or is_narrow_enough(found, measured, within):
        return None
    silent = {run.size for run in measured if run.bits <= 0} - {run.size for run in measured if run.bits > 0}
    candidates = [one for one in candidates if one.size not in silent] or candidates
    if not found or found.bound == "low":
        return _choose_exploratory_run(measured, candidates)
    belief = _IntervalForecast(found, measured)
    before = belief.span(None)
    return max(candidates, key=lambda one: (before - belief.span(one)) / one.cost)


def run_search(
    candidates: Sequence[Candidate], outcome: Callable[[Candidate], Observation], within: float
) -> list[Candidate]:
    """The runs that the search makes, in their order. outcome: makes a run and measures it."""
    made: list[Candidate] = []
    measured: list[Observation] = []
    while chosen := choose_next_run(measured, [one for one in candidates if one not in made], within):
        made.append(chosen)
        measured.append(outcome(chosen))
    return made


def run_grid(
    candidates: Sequence[Candidate], outcome: Callable[[Candidate], Observation], within: float
) -> list[Candidate]:
    """The runs of a full grid: all sizes with one seed after the other, until C is known as well."""
    made: list[Candidate] = []
    measured: list[Observation] = []
    for seed in sorted({one.seed for one in candidates}):
        everyone = [one for one in candidates if one.seed == seed]
        made += everyone
        measured += [outcome(one) for one in everyone]
        if is_narrow_enough(fit_or_none(measured), measured, within):
            break
    return made


def _choose_exploratory_run(measured: Sequence[Observation], candidates: Sequence[Candidate]) -> Candidate:
    """Before C is known: of sizes not seen yet, the one most likely to be free of its limit, for its cost."""
    ratios = [math.log(run.ratio) for run in measured if run.bits > 0 and not run.limited]
    bounds = [math.log(run.ratio) for run in measured if run.bits > 0 and run.limited]
    centre, error = (float(np.mean(ratios)), LIKE_ONE_RUN) if ratios else PRIOR
    if bounds and not ratios:  # more than any run has shown
        centre = max(centre, max(bounds) + error / 2)
    seen = {run.size for run in measured}
    new = [one for one in candidates if one.size not in seen] or list(candidates)
    return max(new, key=lambda one: _unlimited_probability(one, centre, error, SHARPNESS) / one.cost)


def _unlimited_probability(run: Candidate, log_capacity: float, error: float, sharpness: float) -> float:
    """How likely a run is not data-limited."""
    filled = math.log(-math.expm1(sharpness * math.log(DATA_LIMITED))) / sharpness
    limit = math.log(DATA_LIMITED * run.bits_max / run.n_parameters) - filled
    return float(stats.norm.cdf((limit - log_capacity) / error))


class _IntervalForecast:
    """What is expected of runs, given a fit: how wide the interval of C would be with one run more."""

    def __init__(self, found: Fit, measured: Sequence[Observation]) -> None:
        self.fit = found
        self.spread = max(found.spread, MIN_SPREAD)
        runs = [run for run in measured if run.bits > 0]
        self.error = float(np.mean([run.error / run.bits for run in runs]))
        free = [run for run in runs if not run.limited]
        self.count = len(free)
        self.sizes: dict[str, tuple[float, float]] = {}  # by size, runs and P / B
        for run in free:
            count, _ = self.sizes.get(run.size, (0, 0.0))
            self.sizes[run.size] = count + 1, run.n_parameters / run.bits_max

    def span(self, more: Candidate | None) -> float:
        """log of the expected width of the interval of log C, with one more run."""
        sizes, count = dict(self.sizes), float(self.count)
        if more:
            error = math.hypot(self.spread, LIKE_ONE_RUN if self.count < 2 else 0)
            free = _unlimited_probability(more, math.log(self.fit.capacity.mean), error, self.fit.sharpness)
            seen, _ = sizes.get(more.size, (0, 0.0))
            sizes[more.size] = seen + free, more.n_parameters / more.bits_max
            count += free
        information = sum(1 / self._variance(*size) for size in sizes.values() if size[0] > 1e-6)
        return math.log(student_quantile(max(1, math.floor(count + 0.5) - 1))) - 0.5 * math.log(information)

    def _variance(self, runs: float, load: float) -> float:
        """Of log C by one size alone. load: parameters for each bit of the dataset."""
        k = self.fit.sharpness
        filled = float(learned_bits(self.fit.capacity.mean, np.array(load), np.array(1.0), k))
        filled = min(filled, DATA_LIMITED)
        share = -math.expm1(k * math.log(filled))
        corner = math.log(share) / k + (1 - share) / share * math.log(filled)  # d log c / d log k
        seeds = (self.spread**2 + (self.error / share) ** 2) / runs
        return (SIZE_SHARE * self.spread) ** 2 + (SHARPNESS_ERROR * corner) ** 2 + seeds
