"""Runs of scripts/train.py in folders of their own, as the workflow starts them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from helpers import fork_server
from helpers.run_workflow import TIMEOUT
from knowledge_capacity import layout
from knowledge_capacity.files import SEAL
from knowledge_capacity.specs import Architecture, BioS, Pools, Recipe, Run, cell_to_json
from safetensors import safe_open

TRAIN = Path(__file__).parents[2] / "scripts" / "train.py"
POOLS = Pools(4, 4, 4, birth_years=4, cities=8, universities=8, majors=8, employers=8)
RUN = Run(
    BioS(n_people=40, pools=POOLS, templates=2),
    Architecture(layers=2, heads=1, width=8),
    Recipe(exposures=1200, lr=1e-2, batch_size=4, window=64, warmup_steps=50),
    seed=1,
)
OUTPUTS = [name for name in layout.TRAINED if name != "training.parquet"]
SECONDS = TIMEOUT  # more than any of these runs takes
UNTIMED = ("seconds", "trained_at", "outputs", SEAL)  # in run.json, what no two executions share
TIMES = ["seconds", "tokens_per_second"]  # columns of training.parquet that no two executions share


class Job:
    """A job of scripts/train.py that trains the runs of a cell, with a folder of results of its own.

    data: what to link there as its data. folder: that of the first run. processes: how many train together.
    """

    def __init__(self, data: Path, results: Path, *runs: Run, processes: int = 1) -> None:
        runs = runs or (RUN,)
        results.mkdir(exist_ok=True)
        if not (results / "data").exists():
            (results / "data").symlink_to(data)
        self.results, self.log = results, results / "train.log"
        self.folder = self.folder_of(runs[0])
        self.arguments = ["--cell", cell_to_json(runs), "--results", str(results), "--code", "0123"]
        self.arguments += ["--device", "cpu", "--threads", "1", "--log", str(self.log)]
        self.arguments += ["--processes", str(processes)]
        self.command = [sys.executable, str(TRAIN), *self.arguments]

    def folder_of(self, run: Run) -> Path:
        return self.results / layout.run_folder(run)

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.safetensors"

    def interrupt(
        self,
        number: signal.Signals,
        until: Callable[[], bool] | None = None,
        options: tuple[str, ...] = ("--save-every", "0.05"),
    ) -> subprocess.CompletedProcess[str]:
        """Start, send a signal once `until` holds (by default: 60 steps of about 8000 are done), and wait."""
        until = until or (lambda: self.progress()["step"] >= 60)
        command = [*self.command, *options]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            deadline = time.monotonic() + SECONDS
            while not until():
                assert process.poll() is None, "it ended before it could be interrupted"
                assert time.monotonic() < deadline
                time.sleep(0.01)
            os.kill(process.pid, number)
            _, said = process.communicate(timeout=SECONDS)
            return subprocess.CompletedProcess(command, process.returncode, "", said)

    def progress(self) -> dict[str, Any]:
        """What the checkpoint tells of the steps done."""
        if not self.checkpoint.exists():
            return {"step": 0}
        with safe_open(self.checkpoint, framework="pt") as file:
            found: dict[str, Any] = json.loads(file.metadata()["progress"])
        return found

    def finish(self, *options: str) -> subprocess.CompletedProcess[str]:
        command = [*self.command, *options]
        return subprocess.run(command, check=True, timeout=SECONDS, capture_output=True, text=True)

    def start(self, *options: str) -> "fork_server.Fork | subprocess.Popen[bytes]":
        """A process that runs the job, and starts at once."""
        return fork_server.start(str(TRAIN), *self.arguments, *options)

    def record(self) -> dict[str, Any]:
        """What run.json tells, without what differs from one execution to the next."""
        found = json.loads((self.folder / "run.json").read_text())
        return {key: value for key, value in found.items() if key not in UNTIMED}

    def points(self) -> list[dict[str, float]]:
        """The points of training.parquet, with all columns."""
        found: list[dict[str, float]] = pq.read_table(self.folder / "training.parquet").to_pylist()
        return found

    def untimed(self) -> list[dict[str, float]]:
        """The points of training.parquet, without what differs from one execution to the next."""
        return [{k: v for k, v in point.items() if k not in TIMES} for point in self.points()]


def assert_same(ours: Job, theirs: Job) -> None:
    """Two executions left the same bytes, but for times."""
    for name in OUTPUTS:
        if name != "run.json":
            assert (ours.folder / name).read_bytes() == (theirs.folder / name).read_bytes(), name
    assert ours.record() == theirs.record()
    assert ours.untimed() == theirs.untimed()
    assert not ours.checkpoint.exists()
