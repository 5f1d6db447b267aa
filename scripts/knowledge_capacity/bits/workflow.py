"""Running Snakemake from a command, as `make study` does."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def snakemake(overlays: Sequence[Path], profile: str, cores: str, targets: Sequence[str] = ()) -> int:
    """Run a study, or these of its files, and give the exit status. An interruption is left to Snakemake."""
    command = [sys.executable, "-m", "snakemake", *targets]
    command += ["--workflow-profile", f"envs/{profile}", "--cores", cores]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        done = subprocess.run(  # noqa: S603 (our own interpreter, and names of files that we wrote)
            [*command, "--configfile", *map(str, overlays)], env={**os.environ, "PATH": path}, check=False
        )
    finally:
        signal.signal(signal.SIGINT, before)
    return done.returncode
