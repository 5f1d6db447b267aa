"""What would decide an open claim: seeds that would do, their hours, and what seeds cannot do."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from knowledge_capacity.costs.cost import h100_rates
from knowledge_capacity.costs.rates import TrainingWork
from knowledge_capacity.report.next_step import MOST_SEEDS, next_step
from knowledge_capacity.statistics.intervals import Interval
from knowledge_capacity.verdicts.claims import Claim, Finding, Reading
from knowledge_capacity.verdicts.sentences import Comparison

CELL = pd.DataFrame(
    {"layers": [2], "train_steps": [1000], "train_tokens": [10**6], "train_flops": [6 * 10**12]}
)


def measure_nothing(rows: pd.DataFrame) -> Reading:
    raise AssertionError


def finding(mean: float, half: float, seeds: int = 4, large: bool = True, why: str = "") -> Finding:
    value = Interval(mean, mean * math.exp(-half), mean * math.exp(half))
    size = 1e6 if large else 1e4
    reading = Reading(value, seeds, (size, size), 20_000, False, False, "models", cells=(CELL, CELL))
    claim = Claim("claim", "paper", "ratio", 1 / 1.1, 1.1, measure_nothing, Comparison("a", "b"))
    return Finding(claim, reading, "open", "undecided", why)


def test_enough_seeds_would_leave_the_interval_on_one_side_of_the_bound() -> None:
    """Seeds that spread so as to leave ±0.2 of the logarithm; the truth is 1.3, and the bound 1.1."""
    random, spread = np.random.default_rng(0), 0.2 * 2 / 3.18  # of four seeds: t is 3.18
    step = next_step(finding(1.3, 0.2), None)
    assert step.seeds
    ends = []
    for _ in range(2000):
        logs = random.normal(math.log(1.3), spread, step.seeds)
        ends.append(logs.std(ddof=1) / math.sqrt(step.seeds))
    wanted = math.log(1.3 / 1.1)
    assert np.median(ends) * 2.2 < 1.35 * wanted
    assert step.seeds < 12


def test_hours_are_those_of_the_seeds_that_are_missing() -> None:
    rates = h100_rates()
    step = next_step(finding(1.3, 0.2), rates)
    assert step.seeds
    assert step.gpu_hours
    assert step.hours == step.gpu_hours
    work = TrainingWork(3 * 1000.0, 1e6, 6e12)
    assert step.gpu_hours == pytest.approx((step.seeds - 4) * 2 * rates.seconds(work) / 3600)
    assert step.command("junk") == f"make study SEEDS={step.seeds} ONLY=junk"


def test_a_quantity_on_a_bound_is_not_told_by_seeds() -> None:
    tied = replace(finding(1.1, 0.3), sentence="It is said already.")
    step = next_step(tied, None)
    assert (step.seeds, step.command("junk")) == (None, "")
    assert f"{MOST_SEEDS} seeds" in step.text


@pytest.mark.parametrize(
    ("why", "said"),
    [
        ("data-limited: larger datasets could raise it", "more people"),
        ("larger models may store more: …", "larger one"),
    ],
)
def test_what_seeds_cannot_do_is_told(why: str, said: str) -> None:
    step = next_step(finding(1.3, 0.2, why=why), None)
    assert said in step.text
    assert step.seeds is None


def test_an_interval_without_an_end_takes_twice_the_seeds() -> None:
    open_end = finding(1.3, 0.2)
    assert open_end.reading
    reading = replace(open_end.reading, value=Interval(1.3, 0.2, math.inf))
    step = next_step(replace(open_end, reading=reading), None)
    assert step.seeds == 8
    assert step.text == "4 seeds give an interval without an end: 4 more seeds may give it two."
    alone = next_step(replace(open_end, reading=replace(reading, seeds=1)), None)
    assert (alone.seeds, alone.text) == (3, "One seed gives no interval: 2 more seeds would give one.")
