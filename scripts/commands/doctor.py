"""Print what a report of a fault needs: versions, processor, GPUs, compiler, locks, disk, and the last failures.

Nothing is changed, and nothing is sent anywhere.
"""

import argparse
import os
import platform
import re
import shutil
import subprocess  # git, the compiler, nvidia-smi
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from pathlib import Path

import _path  # noqa: F401 (first, so that the package is found)
from knowledge_capacity import console
from knowledge_capacity.models import native

PACKAGES = ("snakemake", "torch", "transformers", "tokenizers", "numpy", "pandas", "pyarrow", "llmcompressor")
LOCKS, JOB_LOGS, WORKFLOW_LOGS = Path(".snakemake/locks"), Path("results/logs"), Path(".snakemake/log")
LINES = 15  # of a log, from its end
LOGS = 3  # of jobs that failed, the newest
FAILED = re.compile(r"^(\S*Error|Traceback|error:)", re.MULTILINE)


def run_job(arguments: argparse.Namespace, log: console.Log) -> None:
    for name, value in describe_machine():
        print(f"{name + ':':14} {value}")
    for line in describe_failures():
        print(line)


def describe_machine() -> Iterator[tuple[str, str]]:
    """What this is run with and on, by name."""
    yield "commit", first_line("git", "describe", "--always", "--dirty")
    yield "system", platform.platform()
    yield "python", f"{platform.python_version()} ({sys.executable})"
    for package in PACKAGES:
        yield package, package_version(package)
    yield "processor", describe_processor()
    yield "memory", describe_memory()
    yield (
        "GPUs",
        first_line("nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"),
    )
    yield "compiler", first_line(os.environ.get("CXX", "c++"), "--version")
    yield "C++ step", "built" if native.is_available() else f"none: {native.unavailable_reason()}"
    free = shutil.disk_usage(".").free
    yield "free disk", f"{free / 2**30:.1f} GiB"
    locks = [str(path) for path in LOCKS.glob("*")] if LOCKS.is_dir() else []
    yield "locks", f"{len(locks)}: a study is at work here, or was killed" if locks else "none"


def first_line(*command: str) -> str:
    """The first line that a command prints, or why there is none."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)  # noqa: S603 (fixed commands, and the compiler that CXX names)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"none ({type(error).__name__})"
    lines = (done.stdout or done.stderr).strip().splitlines()
    return lines[0] if lines else f"none (status {done.returncode})"


def package_version(name: str) -> str:
    """Of an installed package."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def describe_processor() -> str:
    """Its name, its cores, and the vectors that it has."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        text = ""
    name = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    flags = re.search(r"^flags\s*:\s*(.+)$", text, re.MULTILINE)
    have = [one for one in ("avx2", "avx512f") if flags and one in flags[1].split()]
    return (
        f"{name[1] if name else platform.processor()}, {os.cpu_count()} cores, {' '.join(have) or 'no AVX2'}"
    )


def describe_memory() -> str:
    """Of the machine."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        return "unknown"
    return f"{total / 2**30:.1f} GiB"


def describe_failures() -> Iterator[str]:
    """The ends of the newest logs of jobs that failed, and of Snakemake's own newest log if it tells of an error."""
    logs = [path for path in JOB_LOGS.rglob("*.log") if path.is_file()] if JOB_LOGS.is_dir() else []
    own = sorted(WORKFLOW_LOGS.glob("*.log"))[-1:] if WORKFLOW_LOGS.is_dir() else []
    newest = sorted(logs, key=lambda path: path.stat().st_mtime, reverse=True)
    failed = [*islice(read_failures(newest), LOGS), *read_failures(own)]
    if not failed:
        yield "logs:          none tells of a failure"
    for path, text in failed:
        yield f"\n{path}, its last lines:"
        yield from (f"  {line}" for line in text.splitlines()[-LINES:])


def read_failures(logs: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    """The logs that tell of an error, with their texts; read one after the other, as they are asked for."""
    texts = ((path, path.read_text(errors="replace")) for path in logs)
    return ((path, text) for path, text in texts if FAILED.search(text))


if __name__ == "__main__":
    console.main(run_job, argparse.ArgumentParser(prog="doctor", description=__doc__))
