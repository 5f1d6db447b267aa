"""The learning rate over a run."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from knowledge_capacity.training.schedule import learning_rate


def test_it_warms_up_to_the_peak_in_equal_steps() -> None:
    rates = [learning_rate(step, 1000, 0.01, 100) for step in range(100)]
    assert rates == pytest.approx([0.01 * (step + 1) / 100 for step in range(100)])
    assert learning_rate(100, 1000, 0.01, 100) == pytest.approx(0.01)


def test_it_falls_along_a_cosine_to_a_tenth_of_the_peak() -> None:
    assert learning_rate(550, 1000, 0.01, 100) == pytest.approx(0.0055)  # half way
    assert learning_rate(325, 1000, 0.01, 100) == pytest.approx(0.01 * (0.1 + 0.45 * (1 + 2**-0.5)))
    assert learning_rate(1000, 1000, 0.01, 100) == pytest.approx(0.001)
    assert learning_rate(5000, 1000, 0.01, 100) == pytest.approx(0.001)


@given(
    steps=st.integers(1, 300),
    peak=st.floats(1e-6, 1e2),
    warmup_steps=st.integers(0, 400),
)
def test_it_never_rises_after_the_warm_up_nor_leaves_its_bounds(
    steps: int, peak: float, warmup_steps: int
) -> None:
    rates = [learning_rate(step, steps, peak, warmup_steps) for step in range(steps + warmup_steps + 2)]
    assert max(rates) <= peak * (1 + 1e-12)
    assert min(rates[warmup_steps:]) >= peak * 0.1 * (1 - 1e-12)
    assert min(rates) > 0
    assert all(a < b for a, b in itertools.pairwise(rates[:warmup_steps]))
    assert all(a >= b for a, b in itertools.pairwise(rates[warmup_steps:]))
