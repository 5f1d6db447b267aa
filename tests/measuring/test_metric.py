"""The formulas of the metric, by arithmetic."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from knowledge_capacity.measuring.metric import biod_bits, bios_bits
from knowledge_capacity.specs import BioD, BioS
from knowledge_capacity.statistics.bootstrap import bootstrap_total

LOSS = st.floats(0, 1000)


@pytest.mark.parametrize(
    ("n_people", "per_person"),
    [
        (10_000, 61.56),
        (20_000, 60.56),
        (50_000, 59.24),
        (100_000, 58.24),
        (200_000, 57.24),
        (1_000_000, 54.91),
    ],
)
def test_the_papers_maximum_per_person(n_people: int, per_person: float) -> None:
    dataset = BioS(n_people=n_people)
    assert dataset.bits_max / n_people == pytest.approx(per_person, abs=0.005)
    assert math.log2(dataset.pools.names) == pytest.approx(27.2535, abs=1e-4)
    assert dataset.bits_value == pytest.approx(47.592, abs=1e-3)


@given(LOSS, LOSS)
def test_bios_bits_follow_the_paper(loss_name: float, loss_value: float) -> None:
    """N·log2(N0 / e^p1) + N·log2(S0 / e^p2), for losses so large that e^p would overflow too."""
    dataset = BioS(n_people=5)
    bits = bios_bits(dataset, np.full(5, loss_name), np.full(5, loss_value))
    expected = 5 * (math.log2(dataset.pools.names) - loss_name / math.log(2))
    expected += 5 * (dataset.bits_value - loss_value / math.log(2))
    assert bits.total == pytest.approx(expected, rel=1e-9, abs=1e-9)


@given(LOSS, LOSS, LOSS)
def test_biod_bits_follow_the_paper(loss_name: float, loss_value: float, loss_value1: float) -> None:
    """N·log2(N0/e^p1) + N·K·log2(D^C/e^p2) + K·D·log2(T^L/(D·e^p3))."""
    dataset = BioD(n_people=7, attributes=3, chunks=2, diversity=10, length=2, symbols=20)
    bits = biod_bits(dataset, np.full(7, loss_name), np.full(7, loss_value), np.full(7, loss_value1))
    expected = 7 * (math.log2(dataset.pools.names) - loss_name / math.log(2))
    expected += 7 * 3 * (2 * math.log2(10) - loss_value / math.log(2))
    expected += 3 * 10 * (math.log2(20**2 / 10) - loss_value1 / math.log(2))
    assert bits.total == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_losses_are_averaged_over_people_and_nothing_is_clipped() -> None:
    dataset = BioS(n_people=2)
    bits = bios_bits(dataset, np.array([0.0, 200.0]), np.zeros(2))
    assert bits.name[1] < 0
    both = bios_bits(dataset, np.array([100.0, 100.0]), np.zeros(2))
    assert bits.total == pytest.approx(both.total)


def test_the_bootstrap_covers_the_spread_of_people() -> None:
    per_person = np.random.default_rng(1).normal(10, 2, size=400)
    low, high = bootstrap_total(per_person)
    half = 1.96 * 2 * math.sqrt(400)
    assert low < per_person.sum() < high
    assert high - low == pytest.approx(2 * half, rel=0.15)
    assert (low, high) == bootstrap_total(per_person)
