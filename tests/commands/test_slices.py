"""A study in slices: those of studies/gpu/ are sound and in one order, and the command runs and publishes each."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers import fork_server
from helpers.run_workflow import ROOT, TIMEOUT, copy_tree, finish
from knowledge_capacity.costs import cost
from knowledge_capacity.measurements import measurement_table
from knowledge_capacity.planning.cells import read_cells, requested_seeds
from knowledge_capacity.report import curves
from knowledge_capacity.study import overlay_files, running

pytestmark = pytest.mark.slow

GPU = sorted((ROOT / "studies/gpu").glob("*.yaml"))


@pytest.mark.parametrize("slice_", GPU, ids=lambda path: path.stem)
def test_a_slice_of_the_gpu_study_is_sound(slice_: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    study = overlay_files.make_study(*overlay_files.read_configuration([ROOT / "studies/gpu.yaml", slice_]))
    only = yaml.safe_load(slice_.read_text())["only"]
    assert study.runs
    assert only is None or list(study.experiments) == only
    for name, experiment in study.experiments.items():
        assert len(experiment.seeds) >= 2, name


def test_what_the_slices_cost_is_what_the_planner_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    text = (ROOT / "docs/planning.md").read_text()
    rates = cost.h100_rates()
    steps = replace(rates, habit=replace(rates.habit, start=0, compiling=0, measuring=0))
    made: set[str] = set()
    for slice_ in GPU:
        study = overlay_files.make_study(
            *overlay_files.read_configuration([ROOT / "studies/gpu.yaml", slice_])
        )
        before, hours, training = len(made), 0.0, 0.0
        for cell, seeds in requested_seeds(study, read_cells(study, rates)).items():
            new = {run.slug for seed in seeds for run in cell.with_seed(seed)} - made
            made |= new
            hours += cell.seconds([1.0] * len(new)) / 3600
            training += replace(cell, rates=steps).seconds([1.0] * len(new)) / 3600
        new_runs = len(made) - before
        line = re.escape(f"| {len(study.runs)} | {new_runs} | {hours:.1f} | {training:.1f} |")
        assert re.search(rf"^\| \[{slice_.stem}\]\(\S+\): [^|]+ {line}$", text, re.MULTILINE), line


SHORT = {"datasets": ["bioS-smoke"], "architectures": ["gpt2-2-1-d8"], "recipes": ["smoke-100"]}
LONG = {**SHORT, "recipes": ["long"]}  # no machine trains it in a minute
RECIPE = {"exposures": 1_000_000, "lr": 1e-2, "weight_decay": 0, "batch_size": 16, "window": 64}


def slices(folder: Path, grid: dict[str, Any] = SHORT, **wanted: str) -> None:
    """Slices of the smoke test, by name: an experiment each, all about one run."""
    own = folder / "studies/smoke"
    for name, experiment in wanted.items():
        spec = {"only": [experiment], "experiments": {experiment: {"seeds": [0], "grids": [grid]}}}
        (own / f"{name}.yaml").write_text(yaml.safe_dump({"recipes": {"long": RECIPE}, **spec}))


def clone(folder: Path) -> Path:
    """A clone whose smoke test has no slices yet."""
    copy_tree(folder)
    for file in (folder / "studies/smoke").iterdir():
        file.unlink()
    return folder


def start(folder: Path, python: str, *options: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [python, "scripts/commands/slices.py", "smoke", "--cores", "2", *options],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def interrupt_once(process: subprocess.Popen[bytes], there: Path) -> None:
    """Interrupt a process and those it started, as a terminal does, once a file is there."""
    while not there.is_file() and process.poll() is None:
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)


def test_slices_are_published_one_by_one_and_an_interruption_ends_them(tmp_path: Path) -> None:
    folder = clone(tmp_path / "a clone")
    slices(folder, a="base_law", b="quantization")
    published = folder / "results/published/smoke"
    # forks would not be of the process group that a terminal interrupts
    process = start(folder, sys.executable)
    threading.Thread(target=interrupt_once, args=(process, published / "scorecard.md")).start()
    said, _ = finish(process)
    assert "interrupted" in said
    assert process.returncode != 0
    first = measurement_table.read_measurements(published / "measurements.parquet").to_pandas()
    assert set(first.variant) == {"fp32"}
    done = start(folder, fork_server.python())
    said, _ = finish(done)
    assert done.returncode == 0, said
    whole = measurement_table.read_measurements(published / "measurements.parquet").to_pandas()
    assert set(whole.run) == set(first.run)
    assert set(whole.variant) > {"fp32"}
    assert (published / "quantization.png").is_file()
    assert said.index("a.yaml, 1 of 2") < said.index("b.yaml, 2 of 2")


def test_a_slice_that_fails_stops_no_other(tmp_path: Path) -> None:
    folder = clone(tmp_path / "a clone")
    slices(folder, a="base_law", b="extraction")
    (folder / "scripts/train.py").write_text("raise SystemExit('broken')\n")
    done = start(folder, fork_server.python())
    said, _ = finish(done)
    assert done.returncode == 1
    assert "b.yaml, 2 of 2" in said
    assert "not finished: studies/smoke/a.yaml, studies/smoke/b.yaml (see above)." in said


def test_a_given_time_is_filled_and_what_is_under_way_goes_on_the_next_time(tmp_path: Path) -> None:
    folder = clone(tmp_path / "a clone")
    slices(folder, a="base_law")
    slices(folder, LONG, b="base_law")
    began = time.monotonic()
    # processes of their own, since forks would not be of the group that is told to stop
    first, _ = finish(start(folder, sys.executable, "--minutes", "1.7"))
    assert time.monotonic() - began < 120
    assert "slices: a: 1 of 1 run made" in first
    assert "slices: b: 1 run of 1 cell to begin with, since nothing fits" in first
    assert re.search(r"slices: under way: \S*exposures1000000-\S* seeds 0: \d+%, [\d:]+ more", first), first
    assert re.search(r"slices: next: b: 1 run in [\d:]+\n", first), first
    assert re.search(r"slices: time of 1:42: planning \S+, training \S+, measuring \S+, publishing", first), (
        first
    )
    assert "Error in rule" not in first, "to be stopped is no error"
    (published,) = set(
        measurement_table.read_measurements(folder / "results/published/smoke/measurements.parquet")[
            "run"
        ].to_pylist()
    )
    assert "/exposures100-" in published
    (checkpoint,) = (folder / "results/runs").rglob("checkpoint.safetensors")
    steps = curves.read_checkpoint(checkpoint.parent)["step"]  # type: ignore[index]
    assert steps > 0

    shutil.rmtree(folder / "results/runs" / published)  # what is published is not made again
    again = start(folder, sys.executable, "--minutes", "0.9")
    second, _ = finish(again)
    assert again.returncode == 0, second
    assert f"going on from step {steps}" in second
    assert f"train {published}" not in second
    assert curves.read_checkpoint(checkpoint.parent)["step"] > steps  # type: ignore[index]


def test_runs_that_fail_are_told_and_not_tried_again_and_again(tmp_path: Path) -> None:
    folder = clone(tmp_path / "a clone")
    slices(folder, a="base_law")
    (folder / "scripts/train.py").write_text("raise SystemExit('broken')\n")
    done = start(folder, fork_server.python(), "--minutes", "3")
    said, _ = finish(done)
    assert done.returncode == 1
    assert "slices: a: 0 of 1 run made" in said
    assert re.search(r"not finished: \S+/seed0 \(see above\)", said), said


HEEDS = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(7)); time.sleep(60)"
DOES_NOT = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"


def test_what_runs_for_too_long_is_told_to_end_and_at_last_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "GRACE", 1.0)
    assert running.run_with_timeout([sys.executable, "-c", "raise SystemExit(3)"], 60) == 3
    began = time.monotonic()
    assert running.run_with_timeout([sys.executable, "-c", HEEDS], 1.0) == running.STOPPED
    assert running.run_with_timeout([sys.executable, "-c", DOES_NOT], 1.0) == -signal.SIGKILL
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(("study", "said"), [("gpux", "Did you mean 'gpu'?"), ("", "Known: gpu, smoke.")])
def test_a_study_without_slices_is_refused(study: str, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "scripts/commands/slices.py", study],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
