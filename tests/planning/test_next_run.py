"""The search for a capacity, against full grids of runs whose capacity was planted."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers.run_workflow import ROOT, copy_tree, run_command
from knowledge_capacity.planning.next_run import (
    Candidate,
    choose_next_run,
    fit_or_none,
    is_narrow_enough,
    run_grid,
    run_search,
    why_not_known,
)
from knowledge_capacity.statistics.capacity_fit import Observation, learned_bits

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
            bits = float(learned_bits(own, np.array(size), np.array(bits_max), 4.0))
            candidates.append(one)
            outcomes[one] = Observation(one.size, seed, size, bits, bits_max, 0.01 * bits)
    return candidates, outcomes.__getitem__


def cost(runs: list[Candidate]) -> float:
    return sum(run.cost for run in runs)


def test_it_begins_with_the_cheapest_runs_and_two_sizes() -> None:
    candidates, outcome = world(0)
    first = choose_next_run([], candidates, 0.1)
    assert first
    assert first.size == "1000"
    second = choose_next_run([outcome(first)], [one for one in candidates if one != first], 0.1)
    assert second
    assert second.size == "1700"


def test_it_looks_elsewhere_when_a_dataset_limits_a_run() -> None:
    small = Candidate("small", "small", 0, 5000, 1000, cost=1)
    large = Candidate("large", "large", 0, 5000, 100_000, cost=50)
    full = Observation("small", 1, 5000, 990, 1000)
    assert choose_next_run([full], [small, large], 0.1) == large


def test_a_size_that_learns_nothing_is_left_alone() -> None:
    candidates, _ = world(0)
    nothing = Observation("1000", 0, 1e3, -3.0, 24_000.0)
    chosen = choose_next_run([nothing], candidates, 0.1)
    assert chosen
    assert chosen.size != "1000"


def test_it_ends_when_the_interval_is_narrow_or_nothing_is_left() -> None:
    candidates, outcome = world(0)
    made = run_search(candidates, outcome, 0.15)
    measured = [outcome(one) for one in made]
    assert is_narrow_enough(fit_or_none(measured), measured, 0.15)
    assert choose_next_run(measured, candidates, 0.15) is None
    assert not is_narrow_enough(fit_or_none(measured[:-1]), measured[:-1], 0.15)
    assert len(set(made)) == len(made)
    few = candidates[:3]
    assert set(run_search(few, outcome, 1e-6)) == set(few)


def test_what_is_made_already_is_where_it_goes_on() -> None:
    candidates, outcome = world(2)
    made = run_search(candidates, outcome, 0.15)
    half = made[: len(made) // 2]
    left = [one for one in candidates if one not in half]
    assert choose_next_run([outcome(one) for one in half], left, 0.15) == made[len(half)]


@pytest.mark.parametrize("capacity", [1.0, 5.0], ids=["mostly free", "mostly limited"])
def test_it_costs_less_than_a_full_grid_of_the_same_width_and_is_as_right(capacity: float) -> None:
    shares, held, repeats = [], 0, 12
    for draw in range(repeats):
        candidates, outcome = world(draw, capacity)
        made, grid = run_search(candidates, outcome, 0.15), run_grid(candidates, outcome, 0.15)
        found = fit_or_none([outcome(one) for one in made])
        assert found
        held += found.capacity.low <= capacity <= found.capacity.high
        shares.append(cost(made) / cost(grid))
    assert np.median(shares) < 0.5
    assert held >= repeats - 3  # fewer in two of a thousand, at 95 % each


def test_runs_near_the_corner_are_worth_less_than_runs_far_from_it() -> None:
    candidates, outcome = world(1, capacity=2.0)
    even = [Candidate(c.name, c.size, c.seed, c.n_parameters, c.bits_max, 1.0) for c in candidates]
    measured = [outcome(one) for one in candidates if one.seed < 2]
    chosen = choose_next_run(measured, [one for one in even if one.seed >= 2], 1e-3)
    assert chosen
    assert 2.0 * chosen.n_parameters / chosen.bits_max < 0.5


def test_why_a_capacity_does_not_count_as_known_is_said() -> None:
    candidates, outcome = world(0)
    measured = [outcome(one) for one in run_search(candidates, outcome, 0.15)]
    assert why_not_known(fit_or_none(measured), measured, 0.15) is None
    assert why_not_known(fit_or_none(measured), measured, 0.001) == "wider than asked"
    assert why_not_known(None, [], 0.15) == "there is no interval yet"
    single = [outcome(one) for one in candidates if one.size == "1000"]
    assert (
        why_not_known(fit_or_none(single), single, 1.0)
        == "one size only, and C counts as known by two at least"
    )


SMALL = "--configfile studies/smoke.yaml --datasets bioS-smoke --recipe smoke-100 --cores 2".split()


@pytest.mark.slow
def test_the_command_makes_the_runs_it_chooses_and_reads_those_that_are_there(tmp_path: Path) -> None:
    folder = copy_tree(tmp_path / "a clone")
    names = ["gpt2-2-1-d8", "gpt2-2-1-d10", "gpt2-2-1-d12"]
    arguments = (*SMALL, "--architectures", *names, "--seeds", "1")
    said, progress = run_command("search", folder, *arguments, "--runs", "2")
    assert "by 2 of 3 runs (2 of them new)" in said
    assert "the runs or FLOPs allowed are spent" in progress
    assert "--within 0.1: " in said
    assert not said.endswith("\n\n")
    records = {path.parents[2].name: path for path in folder.glob("results/runs/*/*/*/*/run.json")}
    assert sorted(records) == ["gpt2-2-1-d10", "gpt2-2-1-d8"]  # the two smallest
    assert progress.count("Finished jobid") > 0 or "done in" in progress

    # runs that are there are free; one whose measurement is missing is measured, and not trained
    records["gpt2-2-1-d8"].with_name("measurements.parquet").unlink()
    times = {name: path.stat().st_mtime_ns for name, path in records.items()}
    said, progress = run_command("search", folder, *arguments, "--runs", "1")
    assert "2 of 3 runs are there already" in progress
    assert "by 3 of 3 runs (1 of them new)" in said
    assert {name: path.stat().st_mtime_ns for name, path in records.items()} == times

    # what the training code made before it was edited is not there
    edited = folder / "scripts/knowledge_capacity/training/schedule.py"
    edited.write_text(edited.read_text().replace("floor: float = 0.1", "floor: float = 0.2"))
    said, progress = run_command("search", folder, *SMALL, "--architectures", names[0], "--seeds", "1")
    assert "there is one size alone to choose from" in progress
    assert "are there already" not in progress
    assert "by 1 of 1 runs (1 of them new)" in said
    assert "--within 0.1: there is no interval yet" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--architectures gpt2-2-1 --seeds 0", "--seeds 0: write a number of at least 1"),
        ("--architectures gpt2-2-1 --runs -1", "--runs -1: write a number of at least 1"),
        ("--architectures gpt2-2-1 --budget 0", "--budget 0: write a number above 0"),
        ("--architectures gpt2-2-1 --within 30", "--within 30: this is a share of C, above 0 and at most 1"),
        ("--architectures gpt2-2-1 --within nan", "--within nan: this is a share"),
        (
            "--architectures gpt2-2-1 --datasets nope",
            "--datasets nope: the configuration has no such dataset",
        ),
        ("--architectures gpt2-2-1 --where kind=bioS", "--where has no effect without --replay"),
        ("--replay none --architectures gpt2-2-1", "--architectures has no effect beside --replay"),
        ("--replay none --runs 3", "--runs has no effect beside --replay"),
        ("--replay none", "none: there is no such file. Run `make study` first"),
    ],
)
def test_options_without_sense_or_effect_are_refused(arguments: str, said: str) -> None:
    assert said in run_command("search", ROOT, *arguments.split(), ok=False)[1]
