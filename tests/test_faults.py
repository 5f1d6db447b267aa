"""What may happen to a study while it runs: killed at any moment, the disk full, files that are damaged or not ours.

Whatever happens, what is measured in the end is what an undisturbed study measures, to the last bit.
"""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pytest
import yaml
from helpers.run_workflow import TIMEOUT, copy_tree, environment, finish, make, measured, rule_of, snakemake

pytestmark = pytest.mark.slow

ROUNDS = 20
long = pytest.mark.skipif(not os.environ.get("FAULTS"), reason="minutes long: make faults")
RECIPE = {"exposures": 50, "lr": 2e-2, "weight_decay": 0, "batch_size": 4, "window": 64, "warmup_steps": 10}
GRID = {"datasets": ["bioS-tiny"], "families": ["gpt2"], "sizes": ["2-1-d8"], "recipes": ["some"]}
STUDY = {
    "only": ["base_law"],
    "recipes": {"some": RECIPE},
    "experiments": {"base_law": {"seeds": [0], "variants": ["fp32", "int8"], "grids": [GRID]}},
}
ARGUMENTS = ("--cores", "2", "--configfile", "study.yaml")
root_only = pytest.mark.skipif(os.getuid() != 0, reason="mounting takes root")


def new_tree(folder: Path) -> Path:
    tree = copy_tree(folder)
    for name in ("study.yaml", "studies/some.yaml"):
        (tree / name).write_text(yaml.safe_dump(STUDY))
    return tree


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study, finished; not to be changed."""
    tree = new_tree(tmp_path_factory.mktemp("whole") / "étude ✓ 研究 'a' $b")
    snakemake(tree, *ARGUMENTS)
    return tree


@pytest.fixture
def finished(whole: Path, tmp_path: Path) -> Path:
    """A copy of the finished study, file times and Snakemake's memory included."""
    return Path(shutil.copytree(whole, tmp_path / "a copy"))


def start(tree: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Snakemake as a user has it, in a process group of its own."""
    command = [sys.executable, "-m", "snakemake", "--workflow-profile", "envs/local", *ARGUMENTS, *arguments]
    return subprocess.Popen(
        command,
        cwd=tree,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def at_work(folder: Path) -> bool:
    """Whether any process of a job is at work in a folder."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").resolve(strict=True) == folder and "scripts/" in (
                process / "cmdline"
            ).read_text():
                return True
    return False


@long
def test_killed_at_twenty_random_moments(whole: Path, tmp_path: Path) -> None:
    """Snakemake alone, so that its jobs outlive it, or all of it; then again, unlocked as Snakemake says."""
    tree, draw = new_tree(tmp_path / "killed"), random.Random(1)  # noqa: S311 (no secret)
    for _ in range(ROUNDS):
        process = start(tree)
        time.sleep(draw.uniform(1.0, 6.0))
        if draw.random() < 0.5:
            os.kill(process.pid, signal.SIGKILL)
        else:
            os.killpg(process.pid, signal.SIGKILL)
        ended = process.poll() is not None
        said = finish(process)[0] if ended else ""
        process.wait(TIMEOUT)
        assert "Traceback" not in said
        locked = finish(start(tree))[0] if draw.random() < 0.1 else ""
        assert (
            not locked or "--unlock" in locked or "steps (100%) done" in locked or "Nothing to be" in locked
        )
        snakemake(tree, "--unlock", "--configfile", "study.yaml")
    deadline = time.monotonic() + TIMEOUT
    while at_work(tree):  # jobs that outlived their Snakemake
        assert time.monotonic() < deadline
        time.sleep(0.2)
    snakemake(tree, *ARGUMENTS)
    pd.testing.assert_frame_equal(measured(tree), measured(whole))
    assert not [file for file in tree.rglob(".*.part")], "what was half written is gone"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_study_that_is_stopped_says_how_it_goes_on(
    number: signal.Signals, whole: Path, tmp_path: Path
) -> None:
    """Interrupted in a terminal, or asked to end alone; once jobs are at work."""
    tree = new_tree(tmp_path / "stopped")
    process, deadline = start(tree), time.monotonic() + TIMEOUT
    while not at_work(tree):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    said, _ = finish(process)
    assert process.returncode != 0
    assert "The same command again goes on from here" in said
    assert "again goes on" not in snakemake(tree, *ARGUMENTS)
    pd.testing.assert_frame_equal(measured(tree), measured(whole))


STAGES = [
    "people",
    "tokenizer",
    "train",
    "quantize",
    "measure",
    "error_budget",
    "collect_study",
    "draw",
    "explorer",
]


@long
@root_only
def test_the_disk_is_full_at_each_stage(whole: Path, tmp_path: Path) -> None:
    """Every job says so, leaves nothing half written, and goes on when there is room."""
    tree = new_tree(tmp_path / "full")
    results, filler = tree / "results", tree / "results/filler"
    results.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", results], check=True)
    try:
        for stage in STAGES:
            fill(filler)
            before = {file for file in results.rglob("*") if file.is_file()}
            rule = rule_of(whole, stage, *ARGUMENTS)
            said = snakemake(tree, *ARGUMENTS, "--until", rule, ok=False)
            assert re.search("No space left on device|not enough space|write error|ENOSPC", said), (
                stage,
                said,
            )
            assert "Traceback" not in said, (stage, said)
            left = {file for file in results.rglob("*") if file.is_file()} - before
            assert not [file for file in left if file.stat().st_size and "logs" not in file.parts], (
                stage,
                left,
            )
            filler.unlink()
            snakemake(tree, *ARGUMENTS, "--until", rule)
        snakemake(tree, *ARGUMENTS)
        pd.testing.assert_frame_equal(measured(tree), measured(whole))
    finally:
        subprocess.run(["umount", results], check=True)


def fill(path: Path) -> None:
    """Write a file until the disk is full."""
    with suppress(OSError), open(path, "wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


DAMAGED = {  # files of a finished study, and what reads them next
    "results/data/*/seed0/people.parquet": "train",
    "results/data/*/tokenizer/tokenizer.json": "train",
    "results/runs/*/*/*/seed0/model.safetensors": "measure",
    "results/runs/*/*/*/seed0/config.json": "quantize",
    "results/runs/*/*/*/seed0/run.json": "measure",
    "results/runs/*/*/*/seed0/variants/rtn.safetensors": "measure",
    "results/runs/*/*/*/seed0/measurements.parquet": "collect_study",
    "results/measurements.parquet": "draw",
    "results/runs/*/*/*/seed0/training.parquet": "explorer",
    "results/scorecard.json": "explorer",
}


@long
@pytest.mark.parametrize("pattern", DAMAGED)
def test_a_file_that_is_cut_off_is_named_and_made_again(finished: Path, whole: Path, pattern: str) -> None:
    (file,) = finished.glob(pattern)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    name = str(file.relative_to(finished))
    reader = rule_of(whole, DAMAGED[pattern], *ARGUMENTS)
    said = snakemake(finished, *ARGUMENTS, "--forcerun", reader, ok=False)
    assert name in said, said
    assert "Traceback" not in said
    remedies = re.findall(r"Delete it and make it again: (snakemake .*?) ?(?:Details|$)", said, re.MULTILINE)
    assert remedies, said
    file.unlink()
    snakemake(finished, *remedies[0].split()[1:], "--configfile", "study.yaml")
    snakemake(finished, *ARGUMENTS)
    pd.testing.assert_frame_equal(measured(finished), measured(whole))


def test_clocks_that_jump_change_nothing(finished: Path) -> None:
    """Files from tomorrow, from last year, and in any order: what was made stays made."""
    draw = random.Random(2)  # noqa: S311 (no secret)
    for file in (finished / "results").rglob("*"):
        moment = time.time() + draw.choice([-400 * 86400, -3600, 3600, 86400])
        os.utime(file, (moment, moment))
    assert "Nothing to be done" in snakemake(finished, *ARGUMENTS)


def test_two_who_start_the_same_study_at_once(whole: Path, tmp_path: Path) -> None:
    """The second is told that the first is at it, and the first is not disturbed."""
    tree = new_tree(tmp_path / "shared")
    first, deadline = start(tree), time.monotonic() + TIMEOUT
    while not list((tree / ".snakemake/locks").glob("*")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    said = snakemake(tree, *ARGUMENTS, ok=False)
    assert "Directory cannot be locked" in said
    assert first.poll() is None
    told = "A study is at work here, or was killed"
    plan = make(tree, "plan", "STUDY=some")
    assert plan.index(told) < plan.index("total")
    assert "cannot be locked" not in plan  # for a plan needs no lock
    finish(first)
    assert first.returncode == 0
    assert told not in make(tree, "plan", "STUDY=some")
    pd.testing.assert_frame_equal(measured(tree), measured(whole))


@pytest.mark.skipif(not shutil.which("setpriv"), reason="takes util-linux")
@pytest.mark.parametrize("what", ["results", "."])
def test_files_that_may_not_be_written_stay_as_they_are(finished: Path, what: str) -> None:
    """In a checkout of which only somebody else may write the results, or anything at all: said plainly."""
    rule = rule_of(finished, "quantize", *ARGUMENTS)
    files = [finished / what, *(finished / what).rglob("*")]
    before = {file: (file.stat().st_mtime_ns, file.stat().st_size) for file in files if file.is_file()}
    for file in files:
        file.chmod(file.stat().st_mode & ~0o222)
    drop = "--bounding-set=-dac_override,-dac_read_search,-fowner"  # as root, nothing is forbidden
    command = ["setpriv", drop] if os.getuid() == 0 else []
    command += [sys.executable, "-m", "snakemake", "--workflow-profile", "envs/local", *ARGUMENTS]
    process = subprocess.Popen(
        [*command, "--forcerun", rule],
        cwd=finished,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    said, _ = finish(process)
    for file in files:
        file.chmod(file.stat().st_mode | 0o200)
    assert process.returncode != 0
    assert re.search("Permission denied|Write-protected output files", said)
    assert {file: (file.stat().st_mtime_ns, file.stat().st_size) for file in before} == before
