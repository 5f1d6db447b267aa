"""Running the workflow from tests, as a user runs it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
TREE = ("Snakefile", "config.yaml", "rules", "scripts", "envs", "studies")
TIMEOUT = 600


def snakemake(folder: Path, *arguments: str, ok: bool = True) -> str:
    """What Snakemake prints in a folder."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--workflow-profile", "envs/local", *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert (done.returncode == 0) == ok, done.stdout
    return done.stdout


def planned(folder: Path, *arguments: str) -> dict[str, int]:
    """How many jobs of each rule a dry run plans, `all` left out."""
    output = snakemake(folder, "--dry-run", "--cores", "1", *arguments)
    if "Nothing to be done" in output:
        return {}
    table = output.split("Job stats:")[1]
    jobs = {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)}
    return {rule: count for rule, count in jobs.items() if rule not in ("all", "total")}


SMOKE = ("--configfile", "studies/smoke.yaml")


def copy_tree(destination: Path) -> Path:
    """The workflow without results, as a clone would have it."""
    destination.mkdir()
    for name in TREE:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, destination / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, destination / name)
    return destination
