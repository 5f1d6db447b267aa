"""Logs of jobs, as `knowledge_capacity.console` writes them: lines with the time before them."""

import re
from pathlib import Path

CLOCK = re.compile(r"^\d\d:\d\d:\d\d ")
JOB_BEGINS = re.compile(r"^\d\d:\d\d:\d\d \S+\.py( |$)")  # its command line
SHOWN = 6  # lines of a job that failed
LOOKED_AT = 1 << 16  # bytes at the end of a log, in which these are
BEHIND = 1.0  # seconds by which the time of a file may lie behind that of the clock


class JobLog:
    """A log, followed from where a job begins in it: jobs append, and one that is run again has lines already.

    since: when the job began, by the calendar.
    """

    def __init__(self, path: Path, since: float) -> None:
        self.path, self._read = path, 0
        if path.is_file() and (before := path.stat()).st_mtime < since:
            self._read = before.st_size

    def read_lines(self) -> list[str]:
        """Whole lines since the last call, without times and without the command line of a job."""
        try:
            if self.path.stat().st_size <= self._read:
                return []
            with open(self.path, "rb") as file:
                file.seek(self._read)
                text = file.read().rpartition(b"\n")[0]
        except OSError:  # it is not there yet, or no more
            return []
        self._read += len(text) + 1 if text else 0
        lines = text.decode(errors="replace").split("\n") if text else []
        return [CLOCK.sub("", line) for line in lines if not JOB_BEGINS.match(line)]


def read_last_lines(path: Path, since: float) -> list[str]:
    """The last lines of the last job in a log, without times; none where nothing was written since then."""
    try:
        if path.stat().st_mtime < since - BEHIND:
            return []
        with open(path, "rb") as file:
            file.seek(max(0, path.stat().st_size - LOOKED_AT))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return []
    begins = max((n + 1 for n, line in enumerate(lines) if JOB_BEGINS.match(line)), default=0)
    return [CLOCK.sub("", line) for line in lines[begins:] if line.strip()][-SHOWN:]
