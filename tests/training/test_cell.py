"""scripts/train.py with all runs of a cell: what is there stays, and what fails keeps no other run from its result."""

import json
import os
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from helpers.train_jobs import RUN, SECONDS, Job
from knowledge_capacity import layout
from knowledge_capacity.specs import Run

SEEDS = [replace(RUN, seed=seed) for seed in range(3)]


def contents(job: Job, run: Run) -> dict[str, bytes]:
    """What is in a run's folder."""
    files = [path for path in job.folder_of(run).rglob("*") if path.is_file() and path.name != ".lock"]
    return {path.name: path.read_bytes() for path in files}


def finish(job: Job, *options: str, status: int = 0) -> list[str]:
    """Run a job to its end; which runs it trained."""
    job.log.unlink(missing_ok=True)
    assert job.start(*options).wait() == status, job.log.read_text()
    return [line.split()[2].rstrip(":") for line in job.log.read_text().splitlines() if "done in" in line]


@pytest.mark.slow
def test_a_seed_more_trains_that_seed_and_leaves_the_others(data: Path, tmp_path: Path) -> None:
    assert finish(Job(data, tmp_path, *SEEDS[:2])) == [run.slug for run in SEEDS[:2]]
    job = Job(data, tmp_path, *SEEDS)
    before = [contents(job, run) for run in SEEDS[:2]]
    assert all(found.keys() == set(layout.TRAINED) for found in before)
    assert finish(job) == [SEEDS[2].slug]
    assert [contents(job, run) for run in SEEDS[:2]] == before
    assert finish(job) == []


@pytest.mark.slow
def test_a_run_trained_with_others_is_the_run_trained_alone(
    data: Path, tmp_path: Path, undisturbed: Job
) -> None:
    job = Job(data, tmp_path, *SEEDS[:2])
    finish(job)
    model = (job.folder_of(RUN) / "model.safetensors").read_bytes()
    assert model == (undisturbed.folder / "model.safetensors").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("name", layout.TRAINED)
def test_a_file_that_is_missing_or_damaged_trains_its_run_alone(
    data: Path, tmp_path: Path, name: str
) -> None:
    job = Job(data, tmp_path, *SEEDS[:2])
    finish(job)
    other = contents(job, SEEDS[1])
    file = job.folder_of(SEEDS[0]) / name
    file.unlink()
    assert finish(job) == [SEEDS[0].slug]
    whole = bytearray(file.read_bytes())
    whole[len(whole) // 2] ^= 1
    file.write_bytes(whole)
    assert finish(job) == [SEEDS[0].slug]
    assert contents(job, SEEDS[1]) == other
    assert finish(job) == []


@pytest.mark.slow
def test_another_code_or_learning_rate_trains_anew(data: Path, tmp_path: Path) -> None:
    rates = [RUN, replace(RUN, recipe=replace(RUN.recipe, lr=5e-3))]
    assert finish(Job(data, tmp_path, RUN)) == [RUN.slug]
    job = Job(data, tmp_path, *rates)
    assert finish(job) == [rates[1].slug]
    job.arguments += ["--code", "4567"]
    assert finish(job) == [run.slug for run in rates]


@pytest.mark.slow
def test_a_run_that_fails_leaves_the_others_which_need_not_be_trained_again(
    data: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "data"
    copy.mkdir()
    job = Job(data, tmp_path / "results", *SEEDS)
    (job.results / "data").unlink()
    (job.results / "data").symlink_to(copy)
    for path in data.rglob("*.*"):
        (copy / path.relative_to(data)).parent.mkdir(parents=True, exist_ok=True)
        (copy / path.relative_to(data)).write_bytes(path.read_bytes())
    people = tmp_path / "results" / layout.people_file(RUN.dataset, 1)
    whole = people.read_bytes()
    people.write_bytes(whole[:100])
    assert finish(job, status=1) == [SEEDS[0].slug, SEEDS[2].slug]
    assert f"train: {SEEDS[1].slug}: {people}: not a readable Parquet file" in job.log.read_text()
    assert not any((job.folder_of(run) / "run.json").exists() for run in SEEDS), "Snakemake would delete it"
    people.write_bytes(whole)
    assert finish(job) == [SEEDS[1].slug]
    assert all(contents(job, run).keys() == set(layout.TRAINED) for run in SEEDS)


@pytest.mark.slow
def test_a_job_told_to_stop_keeps_the_runs_that_are_done(
    data: Path, tmp_path: Path, undisturbed: Job
) -> None:
    job = Job(data, tmp_path, SEEDS[0], RUN)
    second, deadline = job.folder_of(RUN) / "checkpoint.safetensors", time.monotonic() + SECONDS
    fork = job.start("--save-every", "0.05")
    while not second.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(fork.pid, signal.SIGTERM)
    assert fork.wait() == 143
    assert finish(job) == [RUN.slug]
    assert "going on from step" in job.log.read_text()
    model = (job.folder_of(RUN) / "model.safetensors").read_bytes()
    assert model == (undisturbed.folder / "model.safetensors").read_bytes()
    assert contents(job, SEEDS[0]).keys() == set(layout.TRAINED)


def test_a_run_that_diverges_is_recorded_and_the_others_go_on(data: Path, tmp_path: Path) -> None:
    wild = replace(RUN, recipe=replace(RUN.recipe, lr=1e6))
    job = Job(data, tmp_path, wild, RUN)
    assert finish(job) == [RUN.slug]
    assert "It is recorded as diverged" in job.log.read_text()
    assert finish(job) == []


def assert_near(ours: Job, theirs: Job, run: Run) -> None:
    """The same but for rounding, as far as that has not grown in 8000 steps: steps, tokens, and where the loss ends."""
    one, other = (
        pq.read_table(job.folder_of(run) / "training.parquet").to_pandas() for job in (ours, theirs)
    )
    assert one.step.tolist() == other.step.tolist()
    assert one.tokens.tolist() == other.tokens.tolist()
    assert one.loss[:2].tolist() == pytest.approx(other.loss[:2].tolist(), rel=1e-3)
    assert one.loss[-5:].mean() == pytest.approx(other.loss[-5:].mean(), rel=0.1)


@pytest.mark.slow
def test_runs_in_one_step_leave_what_each_leaves_alone_and_train_nothing_again(
    data: Path, tmp_path: Path
) -> None:
    runs = [replace(run, recipe=replace(RUN.recipe, exposures=60)) for run in SEEDS]
    stacked, alone = Job(data, tmp_path / "stacked", *runs), Job(data, tmp_path / "alone", *runs)
    assert sorted(finish(stacked, "--stack", "2")) == [run.slug for run in runs]
    assert " tokens/s of 2 runs, " in stacked.log.read_text()
    finish(alone)
    for run in runs:
        assert contents(stacked, run).keys() == set(layout.TRAINED)
        assert_near(stacked, alone, run)
    of_both = [[json.loads(contents(job, run)["run.json"]) for run in runs] for job in (stacked, alone)]
    at_once = [[record["at_once"] for record in records] for records in of_both]
    assert at_once == [[2, 2, 1], [1, 1, 1]], "the third has nobody beside it"
    assert finish(stacked, "--stack", "3") == []
    assert finish(stacked) == []


@pytest.mark.slow
def test_a_stack_told_to_stop_goes_on_alone(data: Path, tmp_path: Path) -> None:
    job, undisturbed = Job(data, tmp_path / "stopped", *SEEDS[:2]), Job(data, tmp_path / "whole", *SEEDS[:2])
    checkpoints = [job.folder_of(run) / "checkpoint.safetensors" for run in SEEDS[:2]]
    fork, deadline = job.start("--stack", "2", "--save-every", "0.05"), time.monotonic() + SECONDS
    while not all(checkpoint.exists() for checkpoint in checkpoints):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(fork.pid, signal.SIGTERM)
    assert fork.wait() == 143
    assert "stopped with 2 runs to go; progress is saved" in job.log.read_text()
    assert finish(job) == [run.slug for run in SEEDS[:2]]
    assert job.log.read_text().count("going on from step") == 2
    finish(undisturbed)
    for run in SEEDS[:2]:
        assert_near(job, undisturbed, run)


@pytest.mark.slow
def test_a_run_of_a_stack_that_cannot_begin_or_diverges_leaves_the_others(data: Path, tmp_path: Path) -> None:
    short = replace(RUN.recipe, exposures=60)
    wild = replace(RUN, recipe=replace(short, lr=1e6))
    runs = [wild, *(replace(run, recipe=short) for run in SEEDS)]
    job = Job(data, tmp_path, *runs)
    people = job.results / layout.people_file(RUN.dataset, 2)
    (job.results / "data").unlink()
    shutil.copytree(data, job.results / "data")
    people.write_bytes(people.read_bytes()[:100])
    assert sorted(finish(job, "--stack", "4", status=1)) == [runs[1].slug, runs[2].slug]
    said = job.log.read_text()
    assert "It is recorded as diverged" in said
    assert f"train: {runs[3].slug}: {people}: not a readable Parquet file" in said
