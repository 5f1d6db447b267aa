"""scripts/train.py with all runs of a cell: what is there stays, and what fails keeps no other run from its result."""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from knowledge_capacity import layout
from knowledge_capacity.specs import Run
from training.jobs import RUN, SECONDS, Forks, Job, fork_server

SEEDS = [replace(RUN, seed=seed) for seed in range(3)]


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    yield from fork_server()


def contents(job: Job, run: Run) -> dict[str, bytes]:
    """What is in a run's folder."""
    files = [path for path in job.folder_of(run).rglob("*") if path.is_file() and path.name != ".lock"]
    return {path.name: path.read_bytes() for path in files}


def finish(forks: Forks, job: Job, status: int = 0) -> list[str]:
    """Run a job to its end; which runs it trained."""
    job.log.unlink(missing_ok=True)
    forks.start(job)
    assert forks.status() == status, job.log.read_text()
    return [line.split()[2].rstrip(":") for line in job.log.read_text().splitlines() if "done in" in line]


def test_a_seed_more_trains_that_seed_and_leaves_the_others(data: Path, tmp_path: Path, forks: Forks) -> None:
    assert finish(forks, Job(data, tmp_path, *SEEDS[:2])) == [run.slug for run in SEEDS[:2]]
    job = Job(data, tmp_path, *SEEDS)
    before = [contents(job, run) for run in SEEDS[:2]]
    assert all(found.keys() == set(layout.TRAINED) for found in before)
    assert finish(forks, job) == [SEEDS[2].slug]
    assert [contents(job, run) for run in SEEDS[:2]] == before
    assert finish(forks, job) == []


def test_a_run_trained_with_others_is_the_run_trained_alone(
    data: Path, tmp_path: Path, undisturbed: Job, forks: Forks
) -> None:
    job = Job(data, tmp_path, *SEEDS[:2])
    finish(forks, job)
    model = (job.folder_of(RUN) / "model.safetensors").read_bytes()
    assert model == (undisturbed.folder / "model.safetensors").read_bytes()


@pytest.mark.parametrize("name", layout.TRAINED)
def test_a_file_that_is_missing_or_damaged_trains_its_run_alone(
    data: Path, tmp_path: Path, forks: Forks, name: str
) -> None:
    job = Job(data, tmp_path, *SEEDS[:2])
    finish(forks, job)
    other = contents(job, SEEDS[1])
    file = job.folder_of(SEEDS[0]) / name
    file.unlink()
    assert finish(forks, job) == [SEEDS[0].slug]
    whole = bytearray(file.read_bytes())
    whole[len(whole) // 2] ^= 1
    file.write_bytes(whole)
    assert finish(forks, job) == [SEEDS[0].slug]
    assert contents(job, SEEDS[1]) == other
    assert finish(forks, job) == []


def test_another_code_or_learning_rate_trains_anew(data: Path, tmp_path: Path, forks: Forks) -> None:
    rates = [RUN, replace(RUN, recipe=replace(RUN.recipe, lr=5e-3))]
    assert finish(forks, Job(data, tmp_path, RUN)) == [RUN.slug]
    job = Job(data, tmp_path, *rates)
    assert finish(forks, job) == [rates[1].slug]
    job.arguments += ["--code", "4567"]
    assert finish(forks, job) == [run.slug for run in rates]


def test_a_run_that_fails_leaves_the_others_which_need_not_be_trained_again(
    data: Path, tmp_path: Path, forks: Forks
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
    assert finish(forks, job, status=1) == [SEEDS[0].slug, SEEDS[2].slug]
    assert f"train: {SEEDS[1].slug}: {people}: not a readable Parquet file" in job.log.read_text()
    assert not any((job.folder_of(run) / "run.json").exists() for run in SEEDS), "Snakemake would delete it"
    people.write_bytes(whole)
    assert finish(forks, job) == [SEEDS[1].slug]
    assert all(contents(job, run).keys() == set(layout.TRAINED) for run in SEEDS)


def test_a_job_told_to_stop_keeps_the_runs_that_are_done(
    data: Path, tmp_path: Path, undisturbed: Job, forks: Forks
) -> None:
    job = Job(data, tmp_path, SEEDS[0], RUN)
    second, deadline = job.folder_of(RUN) / "checkpoint.safetensors", time.monotonic() + SECONDS
    child = forks.start(job, "--save-every", "0.05")
    while not second.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(child, signal.SIGTERM)
    assert forks.status() == 143
    assert finish(forks, job) == [RUN.slug]
    assert "going on from step" in job.log.read_text()
    model = (job.folder_of(RUN) / "model.safetensors").read_bytes()
    assert model == (undisturbed.folder / "model.safetensors").read_bytes()
    assert contents(job, SEEDS[0]).keys() == set(layout.TRAINED)


def test_a_run_that_diverges_is_recorded_and_the_others_go_on(
    data: Path, tmp_path: Path, forks: Forks
) -> None:
    wild = replace(RUN, recipe=replace(RUN.recipe, lr=1e6))
    job = Job(data, tmp_path, wild, RUN)
    assert finish(forks, job) == [RUN.slug]
    assert "It is recorded as diverged" in job.log.read_text()
    assert finish(forks, job) == []
