"""What is known of a run of the workflow, by what Snakemake says and by the logs of jobs."""

import os
import re
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from logging import WARNING, LogRecord
from pathlib import Path

from snakemake_interface_logger_plugins.common import LogEvent

from .job_log import JobLog, read_last_lines

START = 4.0  # seconds of any job, beside those that the workflow expects
TARGET = "all"  # a rule that runs nothing
# the end of what Snakemake says of a shell command
ENDING = re.compile(r"(?:returned non-zero exit status (\d+)|died with <Signals\.(\w+)[^>]*>)\.?\s*$")
INTERRUPTED = ("SIGINT", "130")
# what a message begins with that says no more than failures do, or than the last line
REPEATED = ("Exiting because a job execution failed", "WorkflowError:\nAt least one job did not complete")


@dataclass
class Job:
    """A job that was started. says: the latest line of its log. ending: how its command ended, if badly."""

    rule: str
    title: str
    command: str
    logs: list[JobLog]
    local: bool
    began: float  # of the monotonic clock, and of the calendar
    began_at: float
    says: str = ""
    ending: str = ""

    @property
    def stage(self) -> str:
        return stage_of(self.rule)


@dataclass
class StageState:
    """Jobs of a stage, by numbers. seconds: what those took that are done; expected: what was expected of them."""

    total: int = 0
    done: int = 0
    failed: int = 0
    seconds: float = 0.0
    expected: float = 0.0


@dataclass
class RunState:
    """stats: jobs of each rule, as Snakemake counts them. expect: seconds of a job, by its rule; 0 where unknown.

    format_record: how Snakemake words a record. said: what is to be printed, and whether it tells of trouble. ended:
    jobs whose logs have not been read to their ends. log: Snakemake's own.
    """

    stats: Mapping[str, int]
    expect: Callable[[str], float]
    format_record: Callable[[LogRecord], str]
    stages: dict[str, StageState] = field(default_factory=dict)
    running: dict[int, Job] = field(default_factory=dict)
    failed: dict[int, Job] = field(default_factory=dict)
    ended: list[Job] = field(default_factory=list)
    said: list[tuple[str, bool]] = field(default_factory=list)
    note: str = ""
    log: str = ""
    interrupted: bool = False
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self.began = self.clock()
        self.expect = cache(self.expect)
        self.waiting = Counter({rule: n for rule, n in self.stats.items() if rule not in (TARGET, "total")})
        for rule, count in self.waiting.items():
            self.stages.setdefault(stage_of(rule), StageState()).total += count

    @property
    def total(self) -> int:
        return sum(stage.total for stage in self.stages.values())

    @property
    def done(self) -> int:
        return sum(stage.done for stage in self.stages.values())

    def cost(self, rule: str) -> float:
        """Seconds that a job of a rule is expected to take."""
        return START + self.expect(rule)

    def take_record(self, record: LogRecord) -> None:
        """Take in a record of Snakemake's."""
        event, message = getattr(record, "event", None), record.getMessage()
        if event == LogEvent.JOB_INFO:
            self._start_job(record)
        elif event == LogEvent.JOB_FINISHED:
            self._finish_job(record.job_id)  # type: ignore[attr-defined]
        elif event == LogEvent.JOB_ERROR:
            self._fail_job(record)
        elif event == LogEvent.ERROR and (job := self._job_of_command(message)):
            ending = ENDING.search(message)
            job.ending = (ending[1] or ending[2]) if ending else ""
        elif record.levelno >= WARNING:
            if not message.startswith(REPEATED):
                self.said.append((self.format_record(record), True))
        elif event is None:
            self._take_message(message)

    def _start_job(self, record: LogRecord) -> None:
        given = vars(record)
        if given["rule_name"] not in self.waiting:
            return
        self.waiting[given["rule_name"]] -= 1
        self.running[given["jobid"]] = Job(
            given["rule_name"],
            given["rule_msg"] or given["rule_name"],
            given["shellcmd"] or "",
            [JobLog(Path(path), record.created) for path in given["log"]],
            given["local"],
            self.clock(),
            time.time(),
        )

    def _finish_job(self, number: int) -> None:
        if job := self.running.pop(number, None):
            stage = self.stages[job.stage]
            stage.done += 1
            stage.seconds += self.clock() - job.began
            stage.expected += self.cost(job.rule)
            self.ended.append(job)

    def _fail_job(self, record: LogRecord) -> None:
        given = vars(record)
        job = self.running.pop(given["jobid"], None)
        if not job:
            self.said.append((self.format_record(record), True))
            return
        self.ended.append(job)
        if self.interrupted or job.ending in INTERRUPTED:
            self.waiting[job.rule] += 1
            return
        self.failed[given["jobid"]] = job
        self.stages[job.stage].failed += 1
        why = f" ({describe_ending(job.ending)})" if job.ending else ""
        self.said.append((f"failed: {job.title}{why}", True))
        if given["rule_msg"]:
            self.said.append((f"  {given['rule_msg']}", False))
        for path in given["log"]:
            lines = read_last_lines(Path(path), job.began_at)
            self.said += [(f"  {line}", False) for line in lines]
            self.said.append((f"  log: {path}{'' if lines else ' (nothing new in it)'}", True))

    def _job_of_command(self, message: str) -> Job | None:
        """The job whose command a message says to have failed."""
        if "CalledProcessError in file" not in message:
            return None
        return next((job for job in self.running.values() if job.command and job.command in message), None)

    def _take_message(self, message: str) -> None:
        if again := re.match(r"Trying to restart job (\d+)", message):
            if job := self.failed.pop(int(again[1]), None):
                self.stages[job.stage].failed -= 1
                self.waiting[job.rule] += 1
                self.said.append(("  It is run again.", False))
        elif message.startswith("Complete log(s): "):
            self.log = os.path.relpath(message.removeprefix("Complete log(s): "))
        else:
            self.interrupted |= message.startswith("Terminating processes on user request")
            self.note = message

    def read_logs(self) -> list[str]:
        """All lines that logs of jobs have since the last call, without their times."""
        found = []
        for job in [*self.running.values(), *self.ended]:
            for line in (line for log in job.logs for line in log.read_lines()):
                found.append(line)
                job.says = line
        self.ended.clear()
        return found

    def seconds_left(self) -> float | None:
        """How long the rest may take, by what jobs of the same stage took, as many at a time as so far.

        None as long as no job is done of the stage with most of the rest.
        """
        now = self.clock()
        rest: defaultdict[str, float] = defaultdict(float)
        for rule, count in self.waiting.items():
            rest[stage_of(rule)] += count * self.cost(rule)
        for job in self.running.values():
            rest[job.stage] += self.cost(job.rule)
        if not any(rest.values()) or not self.stages[max(rest, key=lambda name: rest[name])].done:
            return None
        pace = {
            name: stage.seconds / stage.expected if stage.done else 1.0 for name, stage in self.stages.items()
        }
        left = sum(seconds * pace[name] for name, seconds in rest.items())
        busy = sum(stage.seconds for stage in self.stages.values())
        for job in self.running.values():
            busy += now - job.began
            left -= min(now - job.began, pace[job.stage] * self.cost(job.rule))
        return left * (now - self.began) / busy if busy else None


def stage_of(rule: str) -> str:
    """Rules are named STAGE or STAGE.CELL."""
    return rule.partition(".")[0]


def describe_ending(ending: str) -> str:
    """How a command ended, in words: by an exit status, which a shell also gives for signals, or by a signal."""
    if not ending.isdigit():
        return f"ended by {ending}"
    if int(ending) - 128 in set(signal.Signals):
        return f"exit status {ending}, {signal.Signals(int(ending) - 128).name}"
    return f"exit status {ending}"
