"""Running Snakemake from a command, as `make study` does."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from ..config import suggest_name
from ..files import UserError

ENVS = Path("envs")
SCRIPTS = Path(__file__).parents[2]
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STOPPED = 143  # as a job that saved its progress
GRACE = 60.0  # seconds for checkpoints to be written


def run_snakemake(
    overlays: Sequence[Path],
    profile: str,
    cores: str,
    targets: Sequence[str] = (),
    seconds: float | None = None,
    options: Sequence[str] = (),
) -> int:
    """Run a study, or these of its files, and give the exit status; STOPPED where the time was over.

    seconds: after which jobs are told to stop: training saves its progress, others are made again the next time.
    options: of Snakemake, which say how jobs are run.
    Raises UserError for a profile that is not there, which Snakemake would pass over, and once Snakemake has ended
    after a signal to this process.
    """
    command = _snakemake_command(overlays, profile, targets)
    display = ["--logger", "study"] if sys.stderr.isatty() and seconds is None else []
    status = run_with_timeout([*command, "--cores", cores, *options, *display], seconds)
    if status == -signal.SIGKILL:
        subprocess.run(  # noqa: S603 (our own)
            [*command, "--unlock"], env=_process_environment(), stderr=subprocess.DEVNULL, check=False
        )
        return STOPPED
    return status


def refuse_unfinished(status: int) -> None:
    """Raise UserError for an exit status that says that some jobs failed."""
    if status:
        raise UserError(
            "the study ended before all was made (see above). The same command goes on from there."
        )


def run_with_timeout(command: Sequence[str], seconds: float | None = None) -> int:
    """Run a command of ours and all that it starts, and give the exit status; STOPPED where the time was over.

    seconds: after which all of them are told to end, and no more is shown of what they say; whoever has not ended after
    GRACE more is killed. Raises UserError once the command has ended after a signal to this process.
    """
    told: list[int] = []
    shown = subprocess.PIPE if seconds is not None else None
    process = subprocess.Popen(command, env=_process_environment(), stderr=shown, process_group=0)  # noqa: S603

    def tell(number: int) -> None:
        with suppress(ProcessLookupError):  # they have just ended
            os.killpg(process.pid, number)

    def forward(number: int, frame: object) -> None:
        told.append(number)
        tell(signal.SIGINT if number == signal.SIGINT else signal.SIGTERM)

    stopped = threading.Event()
    if process.stderr:
        threading.Thread(target=_forward_lines, args=(process.stderr, stopped), daemon=True).start()
    before = {number: signal.signal(number, forward) for number in SIGNALS}
    try:
        status = process.wait(seconds)
    except subprocess.TimeoutExpired:
        stopped.set()
        tell(signal.SIGTERM)
        status = STOPPED
        try:
            process.wait(GRACE)
        except (
            subprocess.TimeoutExpired
        ):  # a job that does not heed, or Snakemake caught within a lock of its own
            tell(signal.SIGKILL)
            status = process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if told:
        raise UserError("interrupted. The same command goes on from there.")
    return status


def _forward_lines(lines: IO[bytes], stopped: threading.Event) -> None:
    """Show lines until `stopped`, after which jobs that were told to end are told of as errors."""
    for line in lines:
        if not stopped.is_set():
            sys.stderr.buffer.write(line)
            sys.stderr.flush()


def _snakemake_command(overlays: Sequence[Path], profile: str, targets: Sequence[str]) -> list[str]:
    """Our own interpreter, and names of files that we wrote."""
    known = sorted(path.parent.name for path in ENVS.glob("*/*.yaml"))
    if profile not in known:
        raise UserError(f"--profile {profile}: there is no {ENVS / profile}. {suggest_name(profile, known)}")
    command = [sys.executable, "-m", "snakemake", *targets, "--workflow-profile", str(ENVS / profile)]
    return [*command, "--configfile", *map(str, overlays)]


def _process_environment() -> dict[str, str]:
    """This one, with our interpreter first, and with the display of runs (`snakemake_logger_plugin_study`)."""
    paths = {"PATH": Path(sys.executable).parent, "PYTHONPATH": SCRIPTS}
    before = {name: os.pathsep + os.environ[name] for name in paths if os.environ.get(name)}
    return {**os.environ, **{name: f"{path}{before.get(name, '')}" for name, path in paths.items()}}
