"""scripts/train.py killed and told to stop: run again, it ends with the very bytes of an undisturbed run."""

import json
import math
import os
import random
import re
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.train_jobs import OUTPUTS, RUN, SECONDS, Job, assert_same
from knowledge_capacity import tensorfile
from knowledge_capacity.models import native
from knowledge_capacity.specs import to_json


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 143)],
    ids=["kill", "term"],
)
def test_an_interrupted_job_ends_with_the_bytes_of_an_undisturbed_one(
    data: Path, tmp_path: Path, undisturbed: Job, number: signal.Signals, status: int
) -> None:
    job = Job(data, tmp_path)
    interrupted = job.interrupt(number)
    assert interrupted.returncode == status, interrupted.stderr
    progress = job.progress()
    assert progress["step"] >= 60
    for name in OUTPUTS:  # none of them under its final name before the run is complete
        assert not (job.folder / name).exists()
    if number != signal.SIGKILL:
        assert f"{RUN.slug}: stopped at step" in interrupted.stderr
        said = [line for line in interrupted.stderr.splitlines() if "without fused kernels" not in line]
        assert len(said) == 1

    job.finish()
    first = re.search(
        r"train bioS\S+: +([0-9]+)% of", job.log.read_text().rpartition("going on from step")[2]
    )
    assert first
    expected = job.points()[0]["expected_tokens"]
    assert int(first[1]) >= int(100 * progress["tokens"] / expected), "it did not go on where it stopped"
    assert_same(job, undisturbed)


def test_a_finished_job_leaves_its_outputs_and_nothing_else(undisturbed: Job) -> None:
    found = sorted(path.name for path in undisturbed.folder.iterdir())
    assert found == sorted([".lock", *OUTPUTS, "training.parquet"])
    record = undisturbed.record()
    assert record["run"] == json.loads(to_json(RUN))
    assert record["code"] == "0123"
    assert record["device"] == "cpu, 1 threads"
    assert (record["precision"], record["engine"]) == ("fp32", "native" if native.is_available() else "eager")
    log = undisturbed.points()
    assert log[-1]["loss"] < log[0]["loss"]


@pytest.mark.slow
def test_twenty_kills_at_random_moments_leave_no_trace(data: Path, tmp_path: Path, undisturbed: Job) -> None:
    """With a checkpoint after every few steps, so that many kills come while one is written."""
    job, chance = Job(data, tmp_path), random.Random(0)  # noqa: S311 (no secret)
    parts, steps = 0, [0]
    for _ in range(20):
        before = job.checkpoint.stat().st_mtime_ns if job.checkpoint.exists() else 0
        fork, deadline = job.start("--save-every", "0"), time.monotonic() + SECONDS
        while not job.checkpoint.exists() or job.checkpoint.stat().st_mtime_ns == before:
            assert time.monotonic() < deadline
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.05))
        os.kill(fork.pid, signal.SIGKILL)
        assert fork.wait() == -signal.SIGKILL
        parts += (job.folder / ".checkpoint.safetensors.part").exists()
        steps.append(int(job.progress()["step"]))
        assert not any((job.folder / name).exists() for name in OUTPUTS)
    print(f"{parts} of 20 kills came while a checkpoint was written; steps done: {steps}")
    assert steps == sorted(set(steps)), "a kill cost more than the steps it came in"
    assert parts, "no kill came while a checkpoint was written"
    assert job.start().wait() == 0
    assert_same(job, undisturbed)
    assert not (job.folder / ".checkpoint.safetensors.part").exists()


@pytest.mark.slow
def test_what_a_killed_writer_left_behind_is_harmless(data: Path, tmp_path: Path, undisturbed: Job) -> None:
    job = Job(data, tmp_path)
    job.folder.mkdir(parents=True)
    (job.folder / ".checkpoint.safetensors.part").write_bytes(b"half a checkpoint")
    (job.folder / ".run.json.part").write_text("{")
    assert job.start("--save-every", "0.05").wait() == 0
    assert_same(job, undisturbed)
    assert not list(job.folder.glob(".*.part"))


def test_a_job_told_to_stop_before_its_first_step_ends_at_once(data: Path, tmp_path: Path) -> None:
    job = Job(data, tmp_path)
    began = time.monotonic()
    stopped = job.interrupt(signal.SIGTERM, until=lambda: (job.folder / ".lock").exists())
    assert time.monotonic() - began < 30
    assert stopped.returncode == 143, stopped.stderr
    assert "Traceback" not in stopped.stderr


@pytest.mark.slow
def test_a_time_limit_ends_a_job_with_a_checkpoint_shortly_before(data: Path, tmp_path: Path) -> None:
    run = replace(RUN, recipe=replace(RUN.recipe, exposures=100_000))
    job = Job(data, tmp_path, run)
    job.start("--help").wait()  # which has the server of forks import what training needs
    began = time.monotonic()
    assert job.start("--time-limit", "5").wait() == 143
    assert 4 <= time.monotonic() - began < 10
    assert "stopped at step" in job.log.read_text()
    assert 0 < job.progress()["seconds"] < 5


def test_a_diverging_job_is_recorded_and_ends_well(data: Path, tmp_path: Path) -> None:
    run = replace(RUN, recipe=replace(RUN.recipe, lr=1e6, warmup_steps=0))
    job = Job(data, tmp_path, run)
    assert job.start().wait() == 0
    said = job.log.read_text().splitlines()[-1]
    assert run.slug in said
    assert "Training diverged; lower lr (now 1e+06)" in said
    found = sorted(path.name for path in job.folder.iterdir())
    assert found == sorted([".lock", *OUTPUTS, "training.parquet"])
    record, points = job.record(), job.points()
    assert record["steps"] == points[-1]["step"]
    assert not points[-1]["loss"] <= 2 * math.log(record["used_tokens"])  # it may be NaN
    assert tensorfile.read_tensors(job.folder / "model.safetensors") == ({}, {"diverged": record["diverged"]})
