"""Running the workflow from tests, as a user runs it."""

import os
import re
import select
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pandas as pd
from helpers import fork_server
from knowledge_capacity.models import native

ROOT = Path(__file__).parents[2]
TREE = ("Snakefile", "config.yaml", "rules", "scripts", "envs", "studies")
TIMEOUT = 120  # seconds: what ends later, or is silent for so long, hangs


def environment(python: str = sys.executable) -> dict[str, str]:
    """Where `python` and what is installed beside this interpreter come first."""
    path = (str(Path(python).parent), str(Path(sys.executable).parent), os.environ["PATH"])
    return {**os.environ, "PATH": os.pathsep.join(path)}


def snakemake(folder: Path, *arguments: str, ok: bool = True, python: str | None = None) -> str:
    """What Snakemake prints in a folder. It and its jobs run in forks of one python, or in this `python` afresh."""
    python = python or fork_server.python()
    command = [python, "-m", "snakemake", "--workflow-profile", "envs/local", *arguments]
    return _said(command, folder, environment(python), ok)


def make(folder: Path, *arguments: str, ok: bool = True) -> str:
    """What make prints in a folder where nothing is to be installed: as from a shell, not within the make of tests."""
    outer = ("MAKELEVEL", "MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "GNUMAKEFLAGS")
    shutil.copy(ROOT / "Makefile", folder)
    (folder / ".venv").mkdir(exist_ok=True)
    (folder / ".venv/ready").touch()
    own = {key: value for key, value in environment().items() if key not in outer}
    return _said(["make", *arguments], folder, own, ok)


def _said(command: list[str], folder: Path, own: dict[str, str], ok: bool) -> str:
    """What a command prints in a folder, in an environment of its own; it must end well, or badly, as ok says."""
    process = subprocess.Popen(command, cwd=folder, env=own, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said, _ = finish(process)
    assert (process.returncode == 0) == ok, said
    return said


def finish(process: subprocess.Popen[bytes]) -> tuple[str, str]:
    """What a process prints to standard output and standard error until it ends.

    It may take as long as a slow machine needs. One that is silent for two minutes is killed, and the test fails.
    """
    said = {pipe: b"" for pipe in (process.stdout, process.stderr) if pipe}
    waiting = list(said)
    with process:
        while waiting:
            ready, _, _ = select.select(waiting, [], [], TIMEOUT)
            if not ready:
                process.kill()
                raise AssertionError(f"{process.args!r} is silent for {TIMEOUT} s: {said.values()}")
            for pipe in ready:
                piece = os.read(pipe.fileno(), 1 << 16)
                said[pipe] += piece
                if not piece:
                    waiting.remove(pipe)
        process.wait(TIMEOUT)
    output, errors = (said[pipe].decode() if pipe else "" for pipe in (process.stdout, process.stderr))
    return output, errors


def planned(folder: Path, *arguments: str) -> dict[str, int]:
    """How many jobs of each stage a dry run plans, `all` left out."""
    return jobs_in(snakemake(folder, "--dry-run", "--cores", "1", *arguments))


def jobs_in(output: str) -> dict[str, int]:
    """How many jobs of each stage Snakemake says there are, `all` left out. The rule of a cell is named STAGE.CELL."""
    if "Nothing to be done" in output:
        return {}
    table = output.split("Job stats:")[1]
    jobs: Counter[str] = Counter()
    for stage, count in re.findall(r"^(\w+)(?:\.\S+)? +(\d+)$", table, re.MULTILINE):
        jobs[stage] += int(count)
    return {stage: count for stage, count in jobs.items() if stage not in ("all", "total")}


def rule_of(folder: Path, stage: str, *arguments: str) -> str:
    """The name of the rule of a stage, in a study with one cell: its own, or STAGE.CELL."""
    names = snakemake(folder, *arguments, "--list-rules").split()
    (name,) = {name for name in names if name == stage or name.startswith(f"{stage}.")}
    return name


def measured(folder: Path) -> pd.DataFrame:
    """A study's measurements, but for columns that no two executions share."""
    table = pd.read_parquet(folder / "results/measurements.parquet").sort_values(["run", "variant"])
    kept = [name for name in table if not re.search(r"seconds|_at$", name)]
    return table[kept].reset_index(drop=True)


SMOKE = ("--configfile", "studies/smoke.yaml")


def copy_tree(destination: Path) -> Path:
    """The workflow without results, as a clone would have it, but for kernels and byte code, compiled once."""
    destination.mkdir()
    for name in TREE:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, destination / name)
        else:
            shutil.copy(source, destination / name)
    if native.is_available() and native.CACHE.is_dir():
        kept = destination / native.CACHE.relative_to(ROOT)
        shutil.copytree(native.CACHE, kept, ignore=shutil.ignore_patterns("tmp*"))
    return destination


def run_command(name: str, folder: Path, *arguments: str, ok: bool = True) -> tuple[str, str]:
    """What a command of scripts/commands prints in a folder, to standard output and to standard error."""
    process = subprocess.Popen(
        [fork_server.python(), f"scripts/commands/{name}.py", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    said, progress = finish(process)
    assert (process.returncode == 0) == ok, progress
    return said, progress
