"""`snakemake --logger study`: one calm display of a study in a terminal, in place of pages of lines about jobs.

Snakemake finds this plugin by its name, where PYTHONPATH has `scripts`. Elsewhere than in a terminal, before jobs run,
and where the command line asks for more or fewer lines than usual, all is printed as without it.
"""

import sys
from collections.abc import Callable
from logging import LogRecord
from typing import TYPE_CHECKING

from snakemake.logging import ColorizingTextHandler, DefaultFilter, DefaultFormatter, logger
from snakemake.settings.enums import Quietness
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

if TYPE_CHECKING:
    from .display import Display

# Workflows put functions here that say what they expect of a job, in seconds, by the name of its rule, or else 0.
estimates: list[Callable[[str], float]] = []

# what messages begin with that tell nothing to somebody who watches
NOISE = (
    "Assuming unrestricted shared filesystem usage",
    "Using shell:",
    "Conda environments: ignored",
    "Select jobs to execute",
    "Removing output files of failed job",
    "Elapsed time:",
)


class LogHandler(LogHandlerBase):
    """Prints as Snakemake does until the first jobs run, and shows the display from then on."""

    writes_to_stream = True
    writes_to_file = False
    has_filter = True
    has_formatter = True
    needs_rulegraph = False

    def __post_init__(self) -> None:
        given = self.common_settings
        self.plain = ColorizingTextHandler(
            given.nocolor,
            sys.stdout if given.stdout else sys.stderr,
            DefaultFormatter(given.quiet, given.show_failed_logs),
            DefaultFilter(given.quiet, given.debug_dag, given.verbose, given.dryrun, given.printshellcmds),
        )
        fewer = {Quietness.ALL, Quietness.PROGRESS, Quietness.RULES} & set(given.quiet or ())
        more = given.dryrun or given.verbose or given.debug_dag or given.printshellcmds
        self.calm = self.plain.can_color_tty() and not fewer and not more
        self.display: Display | None = None
        if self.calm:  # at once, before jobs start and have the terminal: records come here later, by a queue
            logger.addFilter(self.begin_display)

    def begin_display(self, record: LogRecord) -> bool:
        """Take the terminal when Snakemake counts the jobs that it is about to run. Lets all records pass."""
        if getattr(record, "event", None) == LogEvent.RUN_INFO and not self.display:
            try:
                from .display import Display  # only here: not all that Snakemake does needs it

                self.display = Display(record.stats, expected_seconds, self.plain)  # type: ignore[attr-defined]
            except Exception:
                self.calm = False
                self.handleError(record)
        return True

    def emit(self, record: LogRecord) -> None:
        """Take in what Snakemake says. Where the display fails, the run goes on without it."""
        try:
            if self.calm and is_noise(record):
                return
            if self.display:
                self.display.take_record(record)
            else:
                self.plain.handle(record)
        except Exception:
            self.close()
            self.handleError(record)

    def close(self) -> None:
        """End the display, with what it has to say, and give the terminal back."""
        logger.removeFilter(self.begin_display)
        display, self.display = self.display, None
        if display:
            display.end()
        super().close()


def expected_seconds(rule: str) -> float:
    """What a job of a rule is expected to take; 0 where no workflow says it."""
    return sum(expect(rule) for expect in estimates)


def is_noise(record: LogRecord) -> bool:
    """Whether a record tells nothing that somebody who watches wants to know."""
    event = getattr(record, "event", None)
    return event == LogEvent.RESOURCES_INFO or (event is None and record.getMessage().startswith(NOISE))
