"""The count of a dry run's jobs by stage, and how long they take."""

import re
from pathlib import Path

import pytest
from helpers.run_workflow import ROOT, copy_tree, make, snakemake
from knowledge_capacity.costs import cost
from knowledge_capacity.files import UserError
from knowledge_capacity.measurements.filters import read_selected_measurements
from knowledge_capacity.planning.cells import read_cells, requested_seeds, study_seconds
from knowledge_capacity.planning.dry_run import NO_WORK, OF_CELLS, chain_seconds, count_stages, read_jobs
from knowledge_capacity.study import overlay_files

TABLE = """Building DAG of jobs...
Job stats:
job                                   count
------------------------------------  -------
people                                      4
train.bioS-1K.gpt2-2-1.exposures100         1
train.bioS-1K.gpt2-2-2.exposures100         1
collect_study                               1
total                                       7

Reasons:
    input files updated by another job:
        all, train.bioS-1K.gpt2-2-1.exposures100 1
"""


def test_jobs_are_counted_by_stage() -> None:
    assert count_stages(read_jobs(TABLE)) == {"people": 4, "train": 2, "collect_study": 1, "total": 7}


def test_nothing_to_be_done_has_no_jobs() -> None:
    assert read_jobs("Building DAG of jobs...\nNothing to be done (all requested files are present).\n") == {}


def test_jobs_take_as_long_as_the_planner_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the cells of a study, each job takes its start."""
    folder = copy_tree(tmp_path / "clone")
    smoke = ["--configfile", "studies/smoke.yaml"]
    jobs = read_jobs(
        snakemake(folder, "--dry-run", "--quiet", "host", "reason", "rules", "--cores", "1", *smoke)
    )
    monkeypatch.chdir(folder)
    study = overlay_files.make_study(*overlay_files.read_configuration([Path("studies/smoke.yaml")]))
    rates = cost.measured_rates(read_selected_measurements(ROOT / "results/published/measurements.parquet"))
    others = {job: count for job, count in jobs.items() if job[0] not in (*NO_WORK, *OF_CELLS)}
    assert sum(jobs.values()) > 2 * sum(others.values())
    chains = chain_seconds(study, jobs, rates)
    assert len(chains) == len(study.cells) + sum(others.values())
    wanted = study_seconds(requested_seeds(study, read_cells(study, rates)))
    assert sum(chains) == pytest.approx(wanted + rates.habit.start * sum(others.values()))


def test_jobs_of_another_study_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    study = overlay_files.make_study(*overlay_files.read_configuration([]))
    with pytest.raises(
        UserError, match=r"train\.bioS-1K\.gpt2-2-1\.exposures100: the study has no such job\. Give"
    ):
        chain_seconds(study, read_jobs(TABLE), cost.h100_rates())


def test_the_plan_ends_with_the_time_that_it_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = copy_tree(tmp_path / "clone")
    plan = ["plan", "STUDY=smoke", "ONLY=base_law", "SEEDS=1", "CORES=2"]
    *_, last = make(folder, *plan).splitlines()
    assert last == (
        "How long they take is not known: nothing says what training costs here. Time this machine first: make budget "
        "OPTIONS=--probe."
    )
    monkeypatch.chdir(folder)
    shapes = [(1, 10_000, 16, 64, 0.01), (2, 10_000, 32, 64, 0.02), (1, 90_000, 64, 64, 0.03)]
    cost.keep_timings("this machine, 2 runs at once", [cost.Timing(*one) for one in shapes])
    *_, last = make(folder, *plan).splitlines()
    assert re.fullmatch(
        r"They take about \d+ (s|min) on 2 cores of this machine; nine times of ten, .+\.", last
    ), last
