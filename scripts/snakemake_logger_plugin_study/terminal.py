"""The terminal, taken from jobs for as long as the display has it: what they print waits to be read."""

import fcntl
import os
import sys
import tempfile
from collections.abc import Sequence


class Terminal:
    """Standard error is a terminal. Until `release`, it and standard output, where that is one too, go to a file.

    A file and no pipe: jobs that outlive this process can still write. stream: what writes to the terminal itself.
    """

    def __init__(self) -> None:
        self._printed = _open_scratch()
        self._read, self._rest = 0, b""
        self.stream = open(os.dup(2), "w", encoding="utf-8", errors="replace")  # noqa: SIM115 (until release)
        _flush_output()
        self._saved = {number: os.dup(number) for number in (1, 2) if os.isatty(number)}
        for number in self._saved:
            os.dup2(self._printed, number)

    def size(self) -> tuple[int, int]:
        """Columns and lines; 80 and 24 where the terminal does not know."""
        columns, lines = os.get_terminal_size(self.stream.fileno())
        return columns or 80, lines or 24

    def read_lines(self, last: bool = False) -> Sequence[str]:
        """Whole lines printed since the last call; with `last`, also one that has no end."""
        size = os.fstat(self._printed).st_size
        if size < self._read:  # a job opened it anew and emptied it, as `> /dev/stderr` does
            self._read = 0
        text = self._rest + os.pread(self._printed, size - self._read, self._read)
        self._read = size
        whole, _, self._rest = text.rpartition(b"\n")
        if last:
            whole, self._rest = b"\n".join(part for part in (whole, self._rest) if part), b""
        # of a line that was written over by carriage returns, the last state
        return [line.rstrip("\r").rpartition("\r")[2] for line in whole.decode(errors="replace").split("\n")]

    def release(self) -> None:
        """Give standard output and standard error back. What waits can still be read."""
        _flush_output()
        for number, saved in self._saved.items():
            os.dup2(saved, number)
            os.close(saved)
        self._saved.clear()


def _open_scratch() -> int:
    """A file that vanishes when nobody has it any more, to which everybody appends."""
    if sys.platform == "linux":
        scratch = os.memfd_create("jobs")  # in memory: a full disk stops nobody from printing
    else:
        with tempfile.TemporaryFile() as file:
            scratch = os.dup(file.fileno())
    fcntl.fcntl(scratch, fcntl.F_SETFL, fcntl.fcntl(scratch, fcntl.F_GETFL) | os.O_APPEND)
    return scratch


def _flush_output() -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
