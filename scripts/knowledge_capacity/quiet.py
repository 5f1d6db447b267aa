"""Libraries that warn, when they are imported or used, of things that do not concern this study."""

import io
import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO


class Diverted(io.TextIOBase):
    """Standard error in a job: what libraries write there goes to `write`, line by line, and not to the terminal."""

    def __init__(self, write: Callable[[str], None], terminal: TextIO) -> None:
        self.terminal, self._write, self._begun = terminal, write, ""

    def write(self, text: str) -> int:
        *lines, self._begun = (self._begun + text.replace("\r", "\n")).split("\n")
        for line in lines:
            if line.strip():
                self._write(line)
        return len(text)

    def fileno(self) -> int:
        return self.terminal.fileno()

    def end(self) -> None:
        """Write what has no end of line."""
        self.write("\n")


@contextmanager
def divert_stderr(write: Callable[[str], None]) -> Iterator[None]:
    """Have what libraries write to standard error, by loggers or themselves, written by `write`."""
    terminal = sys.stderr
    diverted = Diverted(write, terminal)
    names = [None, *logging.root.manager.loggerDict]
    handlers = [
        handler
        for name in names
        for handler in logging.getLogger(name).handlers
        if isinstance(handler, logging.StreamHandler)
        and vars(handler).get("stream") in (terminal, sys.__stderr__)  # some look for sys.stderr each time
    ]
    streams = [handler.setStream(diverted) for handler in handlers]
    sys.stderr = diverted
    try:
        yield
    finally:
        sys.stderr = terminal
        for handler, stream in zip(handlers, streams, strict=True):
            handler.setStream(stream)
        diverted.end()


@contextmanager
def suppress_warnings() -> Iterator[None]:
    """Leave out warnings, as those of torchao about GPU kernels that it cannot load on a CPU.

    In a job they go to its log file instead.
    """
    if isinstance(sys.stderr, Diverted):
        yield
        return
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logging.disable(before)
