"""Where a rerun should lie: bands of made-up cells, how often sound machines are suspected, the published table."""

import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers.run_workflow import ROOT, TIMEOUT
from knowledge_capacity.files import write_parquet
from knowledge_capacity.measurements import measurement_table
from knowledge_capacity.statistics import bands
from knowledge_capacity.statistics.coverage import NOISES, Setting, make_study
from knowledge_capacity.statistics.intervals import Interval, Prior
from scipy import stats

PUBLISHED = ROOT / "results/published/measurements.parquet"
FEW = 60  # studies


def made_up(noise: str, cells: int, seeds: int, random: np.random.Generator) -> pd.DataFrame:
    """Measurements of made-up cells, with the columns that bands read."""
    rows, _ = make_study(Setting(noise, cells, seeds), random)
    made = dict.fromkeys(bands.ORIGIN, "same") | {"precision": "fp32", "people_scored": 300}
    return rows.assign(**made, capacity_ratio_max=2.6, trained_at="2026-01-01T00:00:00+00:00")


def rerun(rows: pd.DataFrame, **columns: Any) -> pd.DataFrame:
    """The same rows as if trained elsewhere."""
    return rows.assign(**{"trained_at": "2026-02-02T00:00:00+00:00"} | columns)


def test_a_band_is_a_prediction_interval_of_the_mean_of_more_seeds() -> None:
    values = [0.5, 0.6, 0.7]
    found = bands.predict_mean(values, [0.0] * 3, 2, Prior(0.02, 4.0))
    assert found
    sd = math.sqrt((0.02 + 4 * 0.02) / 6)  # six degrees of freedom
    half = stats.t.ppf(0.995, 6) * sd * math.sqrt(1 / 3 + 1 / 2)
    assert found == pytest.approx((0.6, 0.6 - half, 0.6 + half))


def test_seeds_that_agree_by_chance_leave_a_band_as_wide_as_that_of_people() -> None:
    found = bands.predict_mean([0.5, 0.5], [0.01, 0.01], 1)
    assert found
    assert found.high - 0.5 == pytest.approx(stats.norm.ppf(0.995) * 0.01 * math.sqrt(1.5))


def test_one_seed_has_a_band_only_by_others_of_its_kind() -> None:
    assert bands.predict_mean([0.5], [0.01], 2) is None
    assert bands.predict_mean([0.5], [0.01], 2, Prior(0.02, 4.0))


def test_no_band_reaches_beyond_what_there_is_to_know() -> None:
    rows = made_up("equal", 6, 2, np.random.default_rng(0)).assign(capacity_ratio_max=1.0)
    readings = bands.judge_cells(rerun(rows), rows)
    assert max(one.band.high for one in readings) == pytest.approx(1.0, abs=1e-5)


def test_cells_of_another_precision_or_of_fewer_scored_people_are_others() -> None:
    rows = made_up("equal", 6, 2, np.random.default_rng(0))
    assert len(bands.judge_cells(rerun(rows), rows)) == 6
    for other in ({"precision": "bf16"}, {"people_scored": 100}, {"variant": "int8-rtn"}):
        assert not bands.judge_cells(rerun(rows, **other), rows)
        assert bands.describe_bands(rerun(rows, **other), rows) == [
            "None of this study's models are published, so there is nothing to compare it with."
        ]


def test_the_published_runs_themselves_tell_nothing() -> None:
    rows = made_up("equal", 6, 2, np.random.default_rng(0))
    assert bands.describe_bands(rows, rows) == []
    half = pd.concat([rows[rows.architecture < "gpt2-3"], rerun(rows[rows.architecture >= "gpt2-3"])])
    assert bands.describe_bands(half, rows)[0].startswith("3 of 3 cells")


def test_runs_that_diverged_count_on_neither_side() -> None:
    rows = made_up("equal", 6, 2, np.random.default_rng(0))
    gone = rows.assign(diverged=["a loss of nan" if seed == 1 else None for seed in rows.seed])
    gone.loc[gone.seed == 1, "capacity_ratio"] = math.nan
    assert all(one.mean == one.mean for one in bands.judge_cells(rerun(gone), rows))
    assert {one.seeds for one in bands.judge_cells(rerun(rows), gone)} <= {1}


@pytest.mark.slow
@pytest.mark.parametrize("noise", NOISES)
def test_a_sound_machine_is_suspected_in_one_study_of_twenty_at_most(noise: str) -> None:
    """As many of so few as 5 % may come to. A machine on which models store 40 % less is found."""
    random = np.random.default_rng(0)
    suspected, found = 0, 0
    for _ in range(FEW):
        rows = made_up(noise, 12, 8, random)
        published, ours = rows[rows.seed < 4], rerun(rows[rows.seed >= 4])
        suspected += is_remarkable(ours, published)
        found += is_remarkable(ours.assign(capacity_ratio=0.6 * ours.capacity_ratio), published)
    assert suspected <= stats.binom.ppf(0.99, FEW, 0.05)
    assert found > 0.8 * FEW


def is_remarkable(rows: pd.DataFrame, published: pd.DataFrame) -> bool:
    readings = bands.judge_cells(rows, published)
    return sum(not one.is_inside for one in readings) > bands.allowed_outside(len(readings))


def test_how_many_cells_chance_leaves_outside() -> None:
    assert [bands.allowed_outside(cells) for cells in (1, 5, 6, 20, 35, 40, 100)] == [0, 0, 1, 1, 1, 2, 3]


def test_what_lies_outside_is_named_and_what_differs() -> None:
    rows = made_up("equal", 12, 4, np.random.default_rng(0))
    one = rows.dataset.eq("people-0") & rows.architecture.eq("gpt2-3")
    low = rerun(rows).assign(capacity_ratio=rows.capacity_ratio.where(~one, 0.3))
    first, named, chance = bands.describe_bands(low, rows)
    assert first == "11 of 12 cells that are published too lie within their 99 % bands."
    assert named.startswith("  people-0/gpt2-3/exposures1000: R 0.300 lies outside of ")
    assert named.endswith(" (4 published seeds)")
    assert chance == "Chance leaves as many outside: up to 1 of 12."

    all_low = rerun(rows, torch="2.14.0").assign(capacity_ratio=0.1)
    first, *shown, more, said, differing = bands.describe_bands(all_low, rows)
    assert first.startswith("0 of 12 cells")
    assert (len(shown), more) == (bands.MOST_SHOWN, "  and 7 more")
    assert said.endswith(f"something differs here. See {bands.PAGE}.")
    assert differing == "  torch: here 2.14.0; published same"


def test_each_published_cell_lies_within_its_own_band() -> None:
    rows = measurement_table.read_measurements(PUBLISHED).to_pandas()
    readings = bands.judge_cells(rerun(rows), rows)
    assert len(readings) > 100
    assert all(one.is_inside for one in readings)
    for one in readings:
        assert isinstance(one.band, Interval)
        assert one.mean == pytest.approx(one.band.mean)


@pytest.mark.slow
def test_the_command_says_where_a_study_lies(tmp_path: Path) -> None:
    """Nothing of the published file, a sound study from one trained elsewhere, and a broken one from half its bits."""
    table = measurement_table.read_measurements(PUBLISHED)
    rows = [
        row
        for row in table.to_pylist()
        if row["recipe"].startswith("exposures100-") and row["n_people"] == 300
    ]
    assert command(str(PUBLISHED)) == ""
    file = tmp_path / "elsewhere.parquet"
    for share, expected in ((1.0, r"(\d+) of \1 cells"), (-1.0, "something differs here")):
        changed = [
            row | {"trained_at": "2026-02-02T00:00:00+00:00", "capacity_ratio": share * row["capacity_ratio"]}
            for row in rows
        ]
        write_parquet(file, measurement_table.build_table(changed))
        assert re.search(expected, command(str(file)))
    missing = command(str(file), "--published", str(tmp_path / "none.parquet"))
    assert missing.endswith("there is no such file, so there is nothing to compare this study with.\n")


def command(*arguments: str) -> str:
    """What the command prints."""
    script = [sys.executable, str(ROOT / "scripts/commands/bands.py"), *arguments]
    return subprocess.run(script, capture_output=True, text=True, check=True, timeout=TIMEOUT).stdout
