"""What jobs say, and to whom: everything to the log file, a line now and then to the terminal."""

import argparse
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from .files import UserError
from .quiet import divert_stderr


class Log:
    """A job's log file, and its voice on the terminal. job: what it is called."""

    def __init__(self, path: Path | None, job: str = "") -> None:
        self.path, self.job, self._file = path, job, None
        self._terminal = sys.stderr
        if path:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._file = open(path, "ab", buffering=0)  # noqa: SIM115 (open for the whole job)
            except OSError as error:
                self._give_up(error)

    def write(self, line: str) -> None:
        """A line for the log file only."""
        if self._file:
            try:
                self._file.write(f"{time.strftime('%H:%M:%S')} {line}\n".encode())
            except OSError as error:
                self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """A full disk should not hide what else there is to say."""
        print(f"{self.path}: this log file ends here ({error.strerror})", file=self._terminal, flush=True)
        self.path, self._file = None, None

    def say(self, line: str) -> None:
        """A line for the log file and for whoever watches."""
        self.write(line)
        print(line, file=self._terminal, flush=True)


def main(job: Callable[[argparse.Namespace, Log], None], parser: argparse.ArgumentParser) -> None:
    """Run a script: parse, log, do the job; errors in one plain line, tracebacks in the log file.

    What libraries say is in the log file too.
    """
    parser.add_argument("--log", type=Path, metavar="FILE", help="write everything said and all errors here")
    arguments = parser.parse_args()
    log = Log(arguments.log, parser.prog)
    log.write(" ".join(sys.argv))
    try:
        with divert_stderr(log.write) if log.path else nullcontext():
            job(arguments, log)
    except KeyboardInterrupt:
        log.say(f"{parser.prog}: interrupted.")
        sys.exit(130)
    except Exception as error:
        log.write(traceback.format_exc())
        details = f" Details: {log.path}" if log.path else ""
        log.say(f"{parser.prog}: {error_message(error)}{details}")
        sys.exit(1)


def error_message(error: Exception) -> str:
    """An error in one line."""
    return str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"


def format_duration(seconds: float) -> str:
    """95 → 1:35, 7200 → 2:00:00."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def format_rough_duration(seconds: float) -> str:
    """0.2 → under 1 s, 20 → 20 s, 95 → 2 min, 9000 → 2.5 h, 720000 → 200 h."""
    if 0 < seconds < 0.5:
        return "under 1 s"
    for unit, name in ((1, "s"), (60, "min")):
        if seconds < 59.5 * unit:
            return f"{seconds / unit:.0f} {name}"
    hours = seconds / 3600
    return f"{hours:.2g} h" if hours < 99.5 else f"{hours:,.0f} h"


def count_noun(number: int, noun: str) -> str:
    """1 run, 2 runs."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def format_amount(count: float) -> str:
    """1234567 → 1.2M, three significant digits or fewer."""
    for size, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K")):
        if count >= size:
            return f"{count / size:.3g}{letter}"
    return f"{count:.0f}"
