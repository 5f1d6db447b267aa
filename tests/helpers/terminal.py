"""A terminal, for commands that look whether they have one."""

import fcntl
import os
import pty
import re
import select
import struct
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

TIMEOUT = 60.0  # seconds of silence
CONTROL = re.compile(r"\x1b\[([\d;?]*)([A-Za-z])|\r|\n|[^\x1b\r\n]+")


def run_in_terminal(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    press: Callable[[str], bytes] = lambda screen: b"",
    columns: int = 80,
    lines: int = 24,
) -> tuple[str, int]:
    """All that a command writes to its terminal, and its exit status.

    press: the keys to press, by what was written since the last ones.
    """
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(folder)
        os.execvpe(command[0], list(command), dict(environment))  # noqa: S606 (the test's own command)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    written, looked_at, heard = b"", 0, time.monotonic()
    while True:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                piece = os.read(terminal, 1 << 16)
            except OSError:  # nobody has the other end any more
                break
            written, heard = written + piece, time.monotonic()
            if keys := press(written[looked_at:].decode(errors="replace")):
                looked_at = len(written)
                os.write(terminal, keys)
        assert time.monotonic() < heard + TIMEOUT, written.decode()
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    os.close(terminal)
    return written.decode(), status


def render_screen(written: str) -> list[str]:
    """The lines that a terminal without bounds shows in the end, without colours."""
    lines, row, column = [""], 0, 0
    for found in CONTROL.finditer(written):
        text, number, order = found[0], found[1], found[2]
        if text == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif text == "\r":
            column = 0
        elif order == "A":
            row -= int(number or 1)
        elif order == "K":
            lines[row] = ""
        elif order is None:
            lines[row] = lines[row][:column].ljust(column) + text + lines[row][column + len(text) :]
            column += len(text)
    return [line.rstrip() for line in lines]
