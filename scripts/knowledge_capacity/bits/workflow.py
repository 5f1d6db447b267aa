"""Running Snakemake from a command, as `make study` does."""

import csv
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ..config import did_you_mean
from ..files import UserError

ENVS = Path("envs")


def snakemake(overlays: Sequence[Path], profile: str, cores: str, targets: Sequence[str] = ()) -> int:
    """Run a study, or these of its files, and give the exit status.

    Raises UserError for a profile that is not there, which Snakemake would pass over, and once Snakemake has ended
    after an interruption.
    """
    command = [*_command(overlays, profile, targets), "--cores", cores]
    interrupted = []
    before = signal.signal(signal.SIGINT, lambda number, frame: interrupted.append(number))
    try:
        done = subprocess.run(command, env=_environment(), check=False)  # noqa: S603 (see `_command`)
    finally:
        signal.signal(signal.SIGINT, before)
    if interrupted:
        raise UserError("interrupted. The same command goes on from there.")
    return done.returncode


def up_to_date(overlays: Sequence[Path], profile: str, files: Sequence[str]) -> set[str]:
    """Those of a study's files that are there, and that Snakemake would not make again. Makes nothing.

    Raises UserError where Snakemake cannot tell.
    """
    command = [*_command(overlays, profile, files), "--cores", "1", "--summary"]
    done = subprocess.run(command, env=_environment(), capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        raise UserError("Snakemake cannot tell which runs are there already (see above).")
    table = csv.DictReader(done.stdout.splitlines(), delimiter="\t")
    return {row["output_file"] for row in table if row["plan"] == "no update"} & set(files)


def _command(overlays: Sequence[Path], profile: str, targets: Sequence[str]) -> list[str]:
    """Our own interpreter, and names of files that we wrote."""
    known = sorted(path.parent.name for path in ENVS.glob("*/*.yaml"))
    if profile not in known:
        raise UserError(f"--profile {profile}: there is no {ENVS / profile}. {did_you_mean(profile, known)}")
    command = [sys.executable, "-m", "snakemake", *targets, "--workflow-profile", str(ENVS / profile)]
    return [*command, "--configfile", *map(str, overlays)]


def _environment() -> dict[str, str]:
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
