"""scripts/train.py killed and told to stop: run again, it ends with the very bytes of an undisturbed run."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from knowledge_capacity.data import corpus, people, tokenizer
from knowledge_capacity.specs import Architecture, BioS, Pools, Recipe, Run, to_json
from safetensors import safe_open

TRAIN = Path(__file__).parents[2] / "scripts" / "train.py"
POOLS = Pools(4, 4, 4, birth_years=4, cities=8, universities=8, majors=8, employers=8)
RUN = Run(
    BioS(n_people=40, pools=POOLS, templates=2),
    Architecture(layers=2, heads=1, width=8),
    Recipe(exposures=60, lr=1e-2, batch_size=4, window=64, warmup_steps=50),
    seed=1,
)
OUTPUTS = ["config.json", "model.safetensors", "run.json", "tokenizer.json", "tokenizer_config.json"]
BEFORE = 60  # steps done before a signal is sent, of about 400
SECONDS = 120  # more than any of these runs takes


class Job:
    """A run of scripts/train.py in a folder of its own."""

    def __init__(self, data: Path, folder: Path) -> None:
        self.folder, self.log = folder, folder / "train.log"
        self.command = [sys.executable, str(TRAIN), "--run", to_json(RUN)]
        self.command += ["--people", str(data / "people.parquet"), "--code", "0123"]
        self.command += ["--tokenizer", str(data / "tokenizer.json"), "--output", str(folder)]
        self.command += ["--device", "cpu", "--threads", "1", "--log", str(self.log)]

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.safetensors"

    def interrupt(self, number: signal.Signals) -> subprocess.CompletedProcess[str]:
        """Start, send a signal once a checkpoint tells of enough steps, and wait for the end."""
        command = [*self.command, "--save-every", "0.05"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            deadline = time.monotonic() + SECONDS
            while self.progress()["step"] < BEFORE:
                assert process.poll() is None, "it ended before it could be interrupted"
                assert time.monotonic() < deadline
                time.sleep(0.01)
            os.kill(process.pid, number)
            _, said = process.communicate(timeout=SECONDS)
            return subprocess.CompletedProcess(command, process.returncode, "", said)

    def progress(self) -> dict[str, float]:
        """What the checkpoint tells of the steps done."""
        if not self.checkpoint.exists():
            return {"step": 0}
        with safe_open(self.checkpoint, framework="pt") as file:
            found: dict[str, float] = json.loads(file.metadata()["progress"])
        return found

    def finish(self) -> None:
        subprocess.run(self.command, check=True, timeout=SECONDS, capture_output=True)

    def record(self) -> dict[str, object]:
        """What run.json tells, without what differs from one execution to the next."""
        found = json.loads((self.folder / "run.json").read_text())
        return {key: value for key, value in found.items() if key not in ("seconds", "trained_at")}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    people.write(folder / "people.parquet", RUN.dataset, RUN.seed)
    tokenizer.write(folder, tokenizer.word_level(corpus.texts(RUN.dataset)))
    return folder


@pytest.fixture(scope="module")
def undisturbed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Job:
    job = Job(data, tmp_path_factory.mktemp("undisturbed"))
    job.finish()
    return job


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 143)], ids=["kill", "term"]
)
def test_an_interrupted_job_ends_with_the_bytes_of_an_undisturbed_one(
    data: Path, tmp_path: Path, undisturbed: Job, number: signal.Signals, status: int
) -> None:
    job = Job(data, tmp_path)
    interrupted = job.interrupt(number)
    assert interrupted.returncode == status, interrupted.stderr
    progress = job.progress()
    assert progress["step"] >= BEFORE
    for name in OUTPUTS:  # none of them under its final name before the run is complete
        assert not (tmp_path / name).exists()
    if number == signal.SIGTERM:
        assert f"{RUN.slug}: stopped at step" in interrupted.stderr
        assert len(interrupted.stderr.splitlines()) == 1

    job.finish()
    first = re.search(
        r"train bioS\S+: +([0-9]+)% of", job.log.read_text().rpartition("going on from step")[2]
    )
    assert first
    expected = float(pq.read_table(tmp_path / "training.parquet").column("expected_tokens")[0].as_py())
    assert int(first[1]) >= int(100 * progress["tokens"] / expected), "it did not go on where it stopped"
    for name in OUTPUTS:
        if name != "run.json":
            assert (tmp_path / name).read_bytes() == (undisturbed.folder / name).read_bytes(), name
    assert job.record() == undisturbed.record()
    assert not job.checkpoint.exists()


def test_a_finished_job_leaves_its_outputs_and_nothing_else(undisturbed: Job) -> None:
    found = sorted(path.name for path in undisturbed.folder.iterdir())
    assert found == sorted([".lock", *OUTPUTS, "train.log", "training.parquet"])
    record = undisturbed.record()
    assert record["run"] == json.loads(to_json(RUN))
    assert record["code"] == "0123"
    assert record["device"] == "cpu, 1 threads"
    log = pq.read_table(undisturbed.folder / "training.parquet").to_pylist()
    assert log[-1]["loss"] < log[0]["loss"]
