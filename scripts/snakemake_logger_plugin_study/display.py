"""The display in the terminal, drawn anew twice a second while jobs run."""

import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from logging import LogRecord

from rich.console import Console
from rich.live import Live
from rich.text import Text
from snakemake.logging import ColorizingTextHandler

from .drawing import describe_end, draw_run
from .run_state import RunState
from .terminal import Terminal

EVERY = 0.5  # seconds
KNOWN = 5000  # lines of logs that are remembered


class Display:
    """Has the terminal from when it is made until `end`. stats, expect: as RunState takes them.

    What jobs print and have in their logs too is not printed: the display has the latest line of each. All else is
    printed above it, and stays.
    """

    def __init__(
        self, stats: Mapping[str, int], expect: Callable[[str], float], plain: ColorizingTextHandler
    ) -> None:
        self.state = RunState(stats, expect, plain.format)
        self._plain = plain
        self._known: deque[str] = deque(maxlen=KNOWN)
        self._lock, self._over = threading.Lock(), threading.Event()
        self.terminal = Terminal()
        self.console = Console(
            file=self.terminal.stream,
            no_color=plain.nocolor or None,  # None: as the environment says
            highlight=False,
            markup=False,
            emoji=False,
        )
        self._live = Live(
            console=self.console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="crop",
        )
        self._thread = threading.Thread(target=self._keep_drawing, daemon=True)
        self._thread.start()

    def take_record(self, record: LogRecord) -> None:
        """Take in a record of Snakemake's; print it as Snakemake does where there is no display any more."""
        with self._lock:
            if self._over.is_set():
                self._plain.handle(record)
            else:
                self.state.take_record(record)
                if self.state.said:  # at once, before what is printed next
                    self._print_new()

    def end(self) -> None:
        """Leave what is to stay on the screen, with one last line, and give the terminal back."""
        if self._over.is_set():
            return
        self._over.set()
        self._thread.join()
        self.terminal.release()
        try:
            self._print_new(last=True)
            self._live.stop()
            self.console.print(Text(describe_end(self.state)), soft_wrap=True)
        finally:
            self.console.show_cursor(True)

    def _keep_drawing(self) -> None:
        try:
            self._live.start()
            while True:
                with self._lock:
                    self._print_new()
                    columns, lines = self.console.size = self.terminal.size()
                    self._live.update(draw_run(self.state, columns, lines), refresh=True)
                if self._over.wait(EVERY):
                    return
        except Exception:  # the jobs go on, with plain lines
            self._over.set()
            self.terminal.release()
            self.console.show_cursor(True)
            print("".join(self.terminal.read_lines(last=True)), traceback.format_exc(), file=sys.stderr)

    def _print_new(self, last: bool = False) -> None:
        """Print what jobs printed that is in no log, and what the state has to say."""
        printed = self.terminal.read_lines(last)
        self._known += self.state.read_logs()  # read afterwards: jobs write there first
        known = set(self._known)
        for line in printed:
            if line.strip() and Text.from_ansi(line).plain not in known:
                self.console.print(Text.from_ansi(line), soft_wrap=True)
        for line, trouble in self.state.said:
            self.console.print(Text(line, style="red" if trouble else ""), soft_wrap=True)
        self.state.said.clear()
