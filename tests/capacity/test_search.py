"""The search for a capacity, against full grids of runs whose capacity was planted."""

import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from knowledge_capacity.capacity.saturation import Observation, learned
from knowledge_capacity.capacity.search import Candidate, gridded, known, narrow, next_run, searched
from workflow import copy_tree

SIZES = [1e3 * 1.7**i for i in range(6)]
Outcome = Callable[[Candidate], Observation]


def world(draw: int, capacity: float = 1.0, spread: float = 0.1) -> tuple[list[Candidate], Outcome]:
    """Ten seeds of six sizes on a dataset of 24,000 bits, and what each would show."""
    random, bits_max = np.random.default_rng(draw), 24_000.0
    candidates, outcomes = [], {}
    for size in SIZES:
        for seed in range(10):
            one = Candidate(f"{size:.0f}/{seed}", f"{size:.0f}", seed, size, bits_max, cost=size)
            own = capacity * math.exp(random.normal(0, spread))
            bits = float(learned(own, np.array(size), np.array(bits_max), 4.0))
            candidates.append(one)
            outcomes[one] = Observation(one.size, seed, size, bits, bits_max, 0.01 * bits)
    return candidates, outcomes.__getitem__


def cost(runs: list[Candidate]) -> float:
    return sum(run.cost for run in runs)


def test_it_begins_with_the_cheapest_runs_and_two_sizes() -> None:
    candidates, outcome = world(0)
    first = next_run([], candidates, 0.1)
    assert first
    assert first.size == "1000"
    second = next_run([outcome(first)], [one for one in candidates if one != first], 0.1)
    assert second
    assert second.size == "1700"


def test_it_looks_elsewhere_when_a_dataset_limits_a_run() -> None:
    small = Candidate("small", "small", 0, 5000, 1000, cost=1)
    large = Candidate("large", "large", 0, 5000, 100_000, cost=50)
    full = Observation("small", 1, 5000, 990, 1000)
    assert next_run([full], [small, large], 0.1) == large


def test_a_size_that_learns_nothing_is_left_alone() -> None:
    candidates, _ = world(0)
    nothing = Observation("1000", 0, 1e3, -3.0, 24_000.0)
    chosen = next_run([nothing], candidates, 0.1)
    assert chosen
    assert chosen.size != "1000"


def test_it_ends_when_the_interval_is_narrow_or_nothing_is_left() -> None:
    candidates, outcome = world(0)
    made = searched(candidates, outcome, 0.15)
    measured = [outcome(one) for one in made]
    assert narrow(known(measured), measured, 0.15)
    assert next_run(measured, candidates, 0.15) is None
    assert not narrow(known(measured[:-1]), measured[:-1], 0.15)
    assert len(set(made)) == len(made)
    few = candidates[:3]
    assert set(searched(few, outcome, 1e-6)) == set(few)


def test_what_is_made_already_is_where_it_goes_on() -> None:
    candidates, outcome = world(2)
    made = searched(candidates, outcome, 0.15)
    half = made[: len(made) // 2]
    left = [one for one in candidates if one not in half]
    assert next_run([outcome(one) for one in half], left, 0.15) == made[len(half)]


@pytest.mark.parametrize("capacity", [1.0, 5.0], ids=["mostly free", "mostly limited"])
def test_it_costs_less_than_a_full_grid_of_the_same_width_and_is_as_right(capacity: float) -> None:
    shares, held, repeats = [], 0, 12
    for draw in range(repeats):
        candidates, outcome = world(draw, capacity)
        made, grid = searched(candidates, outcome, 0.15), gridded(candidates, outcome, 0.15)
        found = known([outcome(one) for one in made])
        assert found
        held += found.capacity.low <= capacity <= found.capacity.high
        shares.append(cost(made) / cost(grid))
    assert np.median(shares) < 0.5
    assert held >= repeats - 3  # fewer in two of a thousand, at 95 % each


def test_runs_near_the_corner_are_worth_less_than_runs_far_from_it() -> None:
    candidates, outcome = world(1, capacity=2.0)
    even = [Candidate(c.name, c.size, c.seed, c.n_parameters, c.bits_max, 1.0) for c in candidates]
    measured = [outcome(one) for one in candidates if one.seed < 2]
    chosen = next_run(measured, [one for one in even if one.seed >= 2], 1e-3)
    assert chosen
    assert 2.0 * chosen.n_parameters / chosen.bits_max < 0.5


def test_the_command_makes_the_runs_it_chooses_and_none_twice(tmp_path: Path) -> None:
    folder = copy_tree(tmp_path / "a clone")
    arguments = "--configfile studies/smoke.yaml --datasets bioS-smoke --recipe smoke-20 --runs 2 --cores 2"
    architectures = ("--architectures", "gpt2-2-1-d8", "gpt2-2-1-d10", "gpt2-2-1-d12")

    def search() -> tuple[str, str]:
        done = subprocess.run(
            [sys.executable, "scripts/search.py", *arguments.split(), *architectures],
            cwd=folder,
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
            capture_output=True,
            text=True,
            timeout=240,
            check=True,
        )
        return done.stdout, done.stderr

    said, progress = search()
    assert "by 2 of 30 runs" in said
    made = sorted(
        str(path.parent.parent.parent.name) for path in folder.glob("results/runs/*/*/*/*/run.json")
    )
    assert made == ["gpt2-2-1-d10", "gpt2-2-1-d8"]  # the two smallest
    assert progress.count("Finished jobid") > 0 or "done in" in progress
    again, progress = search()
    assert again == said
    assert progress.count("Nothing to be done") == 2
