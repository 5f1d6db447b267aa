"""The noise of a setup in one command: seeds side by side, their spread, and what so many seeds can tell."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from helpers.run_workflow import copy_tree, run_command, snakemake
from knowledge_capacity.statistics import noise
from knowledge_capacity.statistics.intervals import NO_PRIOR, Prior
from knowledge_capacity.statistics.power import detectable_ratio

SMALL = "--configfile studies/smoke.yaml --dataset bioS-smoke --recipe smoke-100 --cores 2".split()


@pytest.mark.slow
def test_seeds_are_trained_side_by_side_and_none_twice(tmp_path: Path) -> None:
    folder = copy_tree(tmp_path / "a clone")
    said, progress = run_command("noise", folder, "gpt2-2-1-d8", *SMALL, "--seeds", "2")
    files = sorted((folder / "results/runs").glob("*/gpt2-2-1-d8/*/seed*/measurements.parquet"))
    ratios = [pq.read_table(file).to_pandas().capacity_ratio.iloc[0] for file in files]
    assert len(ratios) == 2
    assert f"R of each seed: {ratios[0]:z.3f}, {ratios[1]:z.3f}\n" in said
    share = np.std(ratios, ddof=1) / np.mean(ratios)
    assert f"spread over seeds: {100 * share:.1f} % of R" in said
    assert len(re.findall(r"^Job \d+: train .*/seed[01]$", progress, re.MULTILINE)) == 2  # a job each
    again, progress = run_command("noise", folder, "gpt2-2-1-d8", *SMALL, "--seeds", "2")
    assert again == said
    assert "Nothing to be done" in progress
    # the workflow, which has one job for both, trains none of them again
    (overlay,) = (folder / "results/noise").rglob("study.yaml")
    overlays = [str(path.relative_to(folder)) for path in (folder / "studies/smoke.yaml", overlay)]
    targets = [str(path.relative_to(folder)) for path in files]
    shown = snakemake(folder, *targets, "--cores", "2", "--configfile", *overlays)
    assert "done in" not in shown


def test_what_cannot_be_is_said_before_anything_is_trained(tmp_path: Path) -> None:
    folder = copy_tree(tmp_path / "a clone")
    for words, message in (
        (["gpt2-2-1-d8", "--seeds", "1"], "--seeds 1: one seed has no spread. Write a number of at least 2."),
        (["gpt5"], "gpt5"),
        (["no/such"], "no/such: this names no model."),
    ):
        said, progress = run_command("noise", folder, *words, *SMALL, ok=False)
        assert message in progress.splitlines()[-1]
        assert not said
    assert not (folder / "results/runs").exists()


def seeds_of(*ratios: float, prior: Prior = NO_PRIOR) -> pd.DataFrame:
    """Measurements of a model of 1000 parameters with these R, as `add_spreads` leaves them."""
    r = np.array(ratios)
    return pd.DataFrame(
        {
            "dataset": "d",
            "architecture": "a",
            "recipe": "r",
            "variant": "fp32",
            "seed": range(len(r)),
            "capacity_ratio": r,
            "n_parameters": 1000,
            "bits_learned": 1000 * r,
            "bits_learned_low": 1000 * (r - 0.01),
            "bits_learned_high": 1000 * (r + 0.01),
            "train_seconds": 30.0,
            "spread_variance": prior.variance * r.mean() ** 2,
            "spread_freedom": prior.freedom,
            "late_share": np.linspace(0.02, 0.04, len(r)),
        }
    )


def test_the_interval_of_a_spread_holds_the_true_one() -> None:
    generator = np.random.default_rng(0)
    found = [noise.estimate_spread(seeds_of(*generator.normal(1, 0.1, 4))).own for _ in range(300)]
    held = np.mean([one.low < 0.1 < one.high for one in found])
    assert held == pytest.approx(0.95, abs=0.04)


def test_what_other_cells_say_moves_the_spread_towards_theirs() -> None:
    alone = noise.estimate_spread(seeds_of(0.5, 0.6, 0.7))
    assert alone.own.mean == alone.moderated == pytest.approx(0.1 / 0.6)
    moved = noise.estimate_spread(seeds_of(0.5, 0.6, 0.7, prior=Prior(0.01, 2.0)))
    assert moved.own == alone.own
    assert moved.moderated**2 == pytest.approx((2 * alone.own.mean**2 + 2 * 0.01) / 4)


def test_the_table_says_what_seeds_tell_and_what_they_take() -> None:
    rows = seeds_of(0.5, 0.6, 0.7, prior=Prior(0.01, 2.0))
    said = noise.format_noise(rows, at_once=3)
    found = noise.estimate_spread(rows)
    *table, _, conclusion = said.splitlines()
    here = 100 * (detectable_ratio(found.moderated, 3, Prior(0.0, 2.0)).paired - 1)
    assert conclusion.startswith(f"With 3 seeds of each, as here, you can tell a difference of {here:.0f} %.")
    for line, seeds in zip(table[-len(noise.SEEDS) :], noise.SEEDS, strict=True):
        told = detectable_ratio(found.moderated, seeds, Prior(0.0, 2.0))
        first, paired, _, unpaired, _, runs, minutes = line.split()
        assert (int(first), int(runs)) == (seeds, 2 * seeds)
        assert float(paired) == pytest.approx(100 * (told.paired - 1), abs=0.5)
        assert float(unpaired) == pytest.approx(100 * (told.unpaired - 1), abs=0.5)
        assert float(minutes) == pytest.approx(0.5 * -(-2 * seeds // 3), abs=0.05)
    assert "a run trains in 30 s here, 3 at a time" in said
    assert "learned in the last tenth of training: 3.0 % of its bits\n" in said
    unknown = rows.assign(late_share=np.nan)  # of a recipe whose log does not tell
    assert "last tenth" not in noise.format_noise(unknown, at_once=3)
    assert "over 900 %" in noise.format_noise(seeds_of(0.4, 0.8), at_once=1)


def test_what_can_be_expected_is_said_before() -> None:
    said = noise.describe_expectation(Prior(0.15**2, 3.3), 3)
    assert "3 seeds can be expected to tell a difference of 53 % in R, in 80 % of studies." in said
    assert "spread by 15 %" in said
    assert "no published cells tell" in noise.describe_expectation(NO_PRIOR, 3)
    assert "with one seed" in noise.describe_expectation(Prior(0.15**2, 3.3), 1)
