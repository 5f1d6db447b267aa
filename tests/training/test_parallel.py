"""Two processes that torchrun starts train the run that one would."""

import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers.train_jobs import RUN, SECONDS, Job, assert_same
from knowledge_capacity.specs import PythonModel
from knowledge_capacity.training.parallel import ALONE, Team

# five windows for two processes; precision is not named, so one process of it is an ordinary run
UNEVEN = replace(RUN, recipe=replace(RUN.recipe, batch_size=5, exposures=60))


@pytest.fixture(scope="module")
def alone(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Job:
    job = Job(data, tmp_path_factory.mktemp("alone"), UNEVEN)
    job.finish()
    return job


def assert_like(ours: Job, theirs: Job) -> None:
    """The same run to rounding."""
    points, others = ours.points(), theirs.points()
    assert [point["step"] for point in points] == [point["step"] for point in others]
    assert [point["loss"] for point in points] == pytest.approx([p["loss"] for p in others], rel=1e-5)
    wanted = {**theirs.record(), "device": "2 × cpu, 1 threads", "engine": "eager"}
    assert ours.record() == wanted


@pytest.mark.slow
def test_two_processes_train_the_run_of_one(data: Path, tmp_path: Path, alone: Job) -> None:
    job = Job(data, tmp_path, UNEVEN, processes=2)
    said = job.finish("--save-every", "0.2").stderr
    assert_like(job, alone)
    assert said.count("done in") == 1, "both processes speak"


@pytest.mark.slow
def test_two_processes_stop_together_and_go_on(data: Path, tmp_path: Path, alone: Job) -> None:
    job = Job(data, tmp_path, UNEVEN, processes=2)
    interrupted = job.interrupt(signal.SIGTERM)
    assert interrupted.returncode == 143, "as one process: to be started again"
    assert interrupted.stderr.count("stopped at step") == 1
    assert job.progress()["step"] >= 60
    assert "going on from step" in job.finish().stderr
    assert_like(job, alone)


@pytest.mark.slow
def test_each_process_goes_on_with_its_own_random_numbers(data: Path, tmp_path: Path) -> None:
    model = f"{Path(__file__).parents[1] / 'helpers/drawing_model.py'}:build_shaken"
    run = replace(UNEVEN, architecture=PythonModel(model, {"kind": "own numpy"}))
    undisturbed, job = (Job(data, tmp_path / name, run, processes=2) for name in ("whole", "parts"))
    undisturbed.finish()
    job.interrupt(signal.SIGTERM)
    first, second = job.progress()["random"]
    assert first["own"] != second["own"]
    assert first["numpy"] != second["numpy"]
    job.finish()
    assert_same(job, undisturbed)


@pytest.mark.slow
def test_two_processes_tell_that_their_time_is_over(data: Path, tmp_path: Path) -> None:
    job = Job(data, tmp_path, replace(UNEVEN, recipe=replace(UNEVEN.recipe, exposures=2000)), processes=2)
    limited = [*job.command, "--time-limit", "5"]
    assert subprocess.run(limited, check=False, capture_output=True, timeout=SECONDS).returncode == 143
    assert job.checkpoint.exists()


def test_several_machines_without_slurm(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    done = subprocess.run(
        [*Job(data, tmp_path).command, "--nodes", "2"],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 1
    assert "nodes: 2, but this is not a job of Slurm" in done.stderr
    assert "Traceback" not in done.stderr


def test_rows_are_shared_without_loss() -> None:
    batch = torch.arange(10).view(5, 2)
    parts = [Team(3, rank).rows(batch) for rank in range(3)]
    assert [len(part) for part in parts] == [2, 2, 1]
    assert torch.equal(torch.cat(parts), batch)
    assert torch.equal(ALONE.rows(batch), batch)
