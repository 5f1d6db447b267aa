"""Whether intervals hold what they promise: studies made up with a known truth, and how often intervals hold it.

A made-up study has cells of six sizes and several seeds. R of a seed is the cell's true R times (1 + e), with e as
one of NOISES draws it. Each interval is found twice: as a cell alone knows it, and with what its kind says.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..files import finite_or_none
from ..specs import FULL_PRECISION
from .capacities import build_observations
from .capacity_fit import fit_capacity, learned_bits
from .compare import capacity_ratio, ratio_interval
from .intervals import Interval, independent_ratio
from .pairing import Pair
from .peaks import peak_interval
from .spread import add_spreads, log_spread_prior

Random = np.random.Generator
Noise = NDArray[np.float64]
SPREAD = 0.13  # of log R over seeds, as published models of ten thousand people and more have it
LATE, LATE_LOSS = 0.1, 0.5  # a seed in ten finds one kind of fact too late, and has half of R
SHAPE = (0.6, 0.8, 0.9, 1.0, 1.0, 0.95)  # true R of six sizes, in units of the highest
PEOPLE = 0.002  # the standard error of R from people, in units of R
R_MAX = 2.6
ROOM, SHARPNESS = (1.5, 2.0, 3.0, 4.0, 6.0, 8.0), 4.0  # of fits: bits of a dataset for each parameter, and k
LEAST = 0.01  # of R in units of the truth: whoever stores less has no logarithm
TRUE_RATIO = (
    1.1  # of two peaks: the bound of a claim, so that no verdict on it is right more often than the other
)


def _draw_normal(random: Random, shape: tuple[int, ...]) -> Noise:
    return random.normal(0.0, SPREAD, shape)


def _draw_heavy_tails(random: Random, shape: tuple[int, ...]) -> Noise:
    return SPREAD / math.sqrt(3) * random.standard_t(3, shape).clip(-5, 5)


def _draw_late(random: Random, shape: tuple[int, ...]) -> Noise:
    return 0.75 * _draw_normal(random, shape) - LATE_LOSS * (random.random(shape) < LATE)


class Distribution(NamedTuple):
    """How seeds differ. draw: e of so many. unequal: the standard deviation of log σ over cells."""

    draw: Callable[[Random, tuple[int, ...]], Noise]
    unequal: float = 0.0


NOISES = {
    "equal": Distribution(_draw_normal),
    "unequal": Distribution(_draw_normal, 0.5),
    "heavy tails": Distribution(_draw_heavy_tails),
    "late seeds": Distribution(_draw_late),
}
QUANTITIES = ("mean", "ratio", "peak", "ratio of peaks", "capacity")


class Outcome(NamedTuple):
    """Of one interval. half_width: of its logarithm. below, above: it lies wholly on that side of the truth."""

    held: bool
    half_width: float
    below: bool
    above: bool


@dataclass(frozen=True)
class Setting:
    """What studies are made up: how seeds are drawn, how many cells and seeds each has."""

    noise: str
    cells: int
    seeds: int


SETTINGS = tuple(
    Setting(*one) for one in (*product(NOISES, (12,), (2, 4, 8, 16)), *product(NOISES, (30,), (2,)))
)


class Truth(NamedTuple):
    """Of a cell. ratio: R without noise. mean: of R over all seeds there could be. log_mean: of log R."""

    ratio: float
    mean: float
    log_mean: float


def simulate_coverage(setting: Setting, studies: int, fits: int, seed: int = 0) -> list[dict[str, Any]]:
    """How often intervals hold the truth, how wide they are, and how often a verdict by them would be wrong.

    A line for each of QUANTITIES and each method: `alone` (a cell by itself, the highest as if it had not been chosen)
    and `kind`. held: a share. half_width: the median of that of the logarithm; None without end. wrong: the larger
    share of intervals wholly on one side of the truth, which is the share of wrong verdicts where the truth is a
    claim's bound.
    fits: in how many of the studies capacities are fitted, which takes long.
    """
    random = np.random.default_rng([seed, *map(ord, setting.noise), setting.cells, setting.seeds])
    found: dict[tuple[str, str], list[Outcome]] = {}
    for study in range(studies):
        rows, cells = make_study(setting, random)
        for method, given in (("alone", rows), ("kind", add_spreads(rows))):
            for quantity, interval, truth in _read_intervals(given, cells, method == "kind"):
                found.setdefault((quantity, method), []).append(_compare_truth(interval, truth))
        if study < fits:
            for method, given in (("alone", rows), ("kind", add_spreads(rows))):
                fitted = [_compare_truth(*one) for one in _fit_capacities(given, cells)]
                found.setdefault(("capacity", method), []).extend(fitted)
    return [
        {
            "quantity": quantity,
            "method": method,
            **vars(setting),
            "intervals": len(outcomes),
            "held": float(np.mean([one.held for one in outcomes])),
            "half_width": finite_or_none(float(np.median([one.half_width for one in outcomes]))),
            "wrong": float(max(np.mean([o.below for o in outcomes]), np.mean([o.above for o in outcomes]))),
        }
        for (quantity, method), outcomes in found.items()
    ]


def make_study(setting: Setting, random: Random) -> tuple[pd.DataFrame, list[Truth]]:
    """Measurements of a study, on datasets of six models each, and the truth of its cells in their order.

    Models on every other dataset have TRUE_RATIO times the R.
    """
    noise = NOISES[setting.noise]
    scales = np.exp(random.normal(-(noise.unequal**2) / 2, noise.unequal, setting.cells))
    many = noise.draw(np.random.default_rng(0), (20_000,))
    truths, rows = [], []
    for cell, scale in enumerate(scales):
        group, size = divmod(cell, len(SHAPE))
        ratio = SHAPE[size] * (TRUE_RATIO if group % 2 else 1.0)
        factor = np.maximum(1 + scale * many, LEAST)
        truths.append(
            Truth(ratio, ratio * float(factor.mean()), math.log(ratio) + float(np.log(factor).mean()))
        )
        for seed, value in enumerate(noise.draw(random, (setting.seeds,))):
            rows.append((f"people-{group}", f"gpt2-{size}", seed, ratio * max(1 + scale * value, LEAST)))
    found = pd.DataFrame(rows, columns=["dataset", "architecture", "seed", "capacity_ratio"])
    p = 1e5 * 2.0 ** found.architecture.str.rpartition("-")[2].astype(float)
    bits = found.capacity_ratio * p
    return found.assign(
        recipe="exposures1000",
        recipe_spec="{}",
        run=found.dataset + "/" + found.architecture + "/" + found.seed.astype(str),
        variant=FULL_PRECISION,
        kind="bioS",
        exposures=1000,
        n_parameters=p,
        bits_learned=bits,
        bits_learned_low=bits - 1.96 * PEOPLE * p,
        bits_learned_high=bits + 1.96 * PEOPLE * p,
        bits_max=R_MAX * p,
        data_limited=False,
        diverged=None,
        accuracy_by_attribute=None,
        junk_share=0.0,
        qat=None,
        design="gpt2",
    ), truths


def _read_intervals(
    rows: pd.DataFrame, truths: Sequence[Truth], chosen: bool
) -> Iterator[tuple[str, Interval, float]]:
    """Quantity, interval and truth of all that is read from a study. chosen: whether peaks allow for the choice."""
    cells = _split_cells(rows)
    for cell, truth in zip(cells, truths, strict=True):
        yield "mean", capacity_ratio(cell), truth.mean
    for i in range(0, len(cells) - 1, 2):
        found = ratio_interval([Pair({}, cells[i], cells[i + 1])])
        if found:
            yield "ratio", found, math.exp(truths[i].log_mean - truths[i + 1].log_mean)
    peaks = []
    for i in range(0, len(cells), len(SHAPE)):
        group, highest = cells[i : i + len(SHAPE)], max(one.mean for one in truths[i : i + len(SHAPE)])
        peaks.append((peak_interval(group) if chosen else max(map(capacity_ratio, group)), highest))
        yield "peak", *peaks[-1]
    for (a, of_a), (b, of_b) in zip(peaks[1::2], peaks[::2], strict=False):
        yield "ratio of peaks", independent_ratio(a, b), of_a / of_b


def _fit_capacities(rows: pd.DataFrame, truths: Sequence[Truth]) -> Iterator[tuple[Interval, float]]:
    """The capacity that models of six sizes have in common, as if each stored as much a parameter, and the truth."""
    cells = _split_cells(rows)
    for i in range(0, len(cells), len(SHAPE)):
        known = truths[i : i + len(SHAPE)]
        alike = []
        for cell, truth, room in zip(cells[i : i + len(SHAPE)], known, ROOM, strict=True):
            p, capacity = cell.n_parameters.to_numpy(), (cell.capacity_ratio / truth.ratio).to_numpy()
            bits_max = room * p
            bits = learned_bits(capacity, p, bits_max, SHARPNESS)
            ends = {
                "bits_learned_low": bits - 1.96 * PEOPLE * p,
                "bits_learned_high": bits + 1.96 * PEOPLE * p,
            }
            alike.append(cell.assign(bits_learned=bits, bits_max=bits_max, **ends))
        group = pd.concat(alike)
        fit = fit_capacity(build_observations(group), log_spread_prior(group))
        yield fit.capacity, math.exp(float(np.mean([one.log_mean - math.log(one.ratio) for one in known])))


def _split_cells(rows: pd.DataFrame) -> list[pd.DataFrame]:
    return [group for _, group in rows.groupby(["dataset", "architecture"], sort=False)]


def _compare_truth(interval: Interval, truth: float) -> Outcome:
    low, high = max(interval.low, LEAST), interval.high
    return Outcome(low <= truth <= high, math.log(high / low) / 2, high < truth, low > truth)
