"""What the display knows of a run, by records as Snakemake makes them, and by logs as jobs write them."""

import io
import logging
import os
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_logger_plugin_study.drawing import describe_end, draw_run, shorten_title
from snakemake_logger_plugin_study.job_log import JobLog, read_last_lines
from snakemake_logger_plugin_study.run_state import RunState, describe_ending

CELL = "bioS-20-templates1/gpt2-2-1-d8/exposures1000"
TRAIN = f"train.{CELL.replace('/', '.')}"


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def make_state(clock: Clock, seconds: float = 0.0, **jobs: int) -> RunState:
    """Of a run with so many jobs of each stage, of a cell each, that are expected to take so long."""
    stats = {f"{stage}.{n}": 1 for stage, count in jobs.items() for n in range(count)}
    return RunState(
        {**stats, "all": 1, "total": len(stats) + 1},
        lambda rule: seconds,
        logging.Formatter().format,
        clock=clock,
    )


def take(state: RunState, event: LogEvent | None, message: str | None = None, **fields: Any) -> None:
    level = logging.ERROR if event in (LogEvent.ERROR, LogEvent.JOB_ERROR) else logging.INFO
    state.take_record(logging.makeLogRecord({"levelno": level, "msg": message, "event": event, **fields}))


def start(state: RunState, number: int, rule: str, **fields: Any) -> None:
    given = {"rule_msg": rule.replace(".", " ", 1), "log": [], "shellcmd": f"job {number}", "local": True}
    take(state, LogEvent.JOB_INFO, jobid=number, rule_name=rule, **{**given, **fields})


def finish(state: RunState, number: int) -> None:
    take(state, LogEvent.JOB_FINISHED, job_id=number)


def fail(
    state: RunState, number: int, ending: str = "returned non-zero exit status 1.", **fields: Any
) -> None:
    rule = state.running[number].rule
    message = (
        f"RuleException:\nCalledProcessError in file \"x.smk\", line 9:\nCommand 'job {number}' {ending}"
    )
    take(state, LogEvent.ERROR, message, exception="RuleException")
    take(state, LogEvent.JOB_ERROR, jobid=number, rule_name=rule, **{"rule_msg": None, "log": [], **fields})


def said(state: RunState) -> list[str]:
    return [line for line, _ in state.said]


def test_jobs_are_counted_by_stages(clock: Clock) -> None:
    state = make_state(clock, train=3, measure=2)
    assert list(state.stages) == ["train", "measure"]  # and none of the target
    start(state, 1, "train.0")
    start(state, 2, "train.1")
    finish(state, 1)
    assert (state.done, state.total, state.stages["train"].done) == (1, 5, 1)
    assert [job.title for job in state.running.values()] == ["train 1"]
    start(state, 0, "all")
    finish(state, 0)
    assert (state.done, state.total) == (1, 5)


def test_a_failure_is_told_once_and_is_none_when_its_job_is_run_again(clock: Clock, tmp_path: Path) -> None:
    log = tmp_path / "job.log"
    state = make_state(clock, train=1)
    start(state, 1, "train.0", log=[str(log)])
    log.write_text("12:00:00 scripts/train.py --cell x\n12:00:01 train: it broke\n")
    fail(state, 1, "returned non-zero exit status 137.", log=[str(log)])
    assert said(state) == ["failed: train 0 (exit status 137, SIGKILL)", "  train: it broke", f"  log: {log}"]
    assert state.stages["train"].failed == len(state.failed) == 1
    take(state, None, "Trying to restart job 1.")
    assert said(state)[-1] == "  It is run again."
    assert state.stages["train"].failed == len(state.failed) == 0
    start(state, 1, "train.0", log=[str(log)])
    finish(state, 1)
    assert describe_end(state) == "1 of 1 jobs done in 0:00"


def test_a_job_without_a_word_in_its_log(clock: Clock, tmp_path: Path) -> None:
    log = tmp_path / "job.log"
    log.write_text("12:00:00 scripts/train.py --cell x\n12:00:01 train: of long ago\n")
    os.utime(log, (1, 1))
    state = make_state(clock, train=1)
    start(state, 1, "train.0", log=[str(log)])
    fail(state, 1, "died with <Signals.SIGSEGV: 11>.", log=[str(log)])
    assert said(state) == ["failed: train 0 (ended by SIGSEGV)", f"  log: {log} (nothing new in it)"]


def test_other_errors_and_warnings_are_told_in_full(clock: Clock) -> None:
    state = make_state(clock, train=1)
    start(state, 1, "train.0")
    take(state, LogEvent.ERROR, "MissingOutputException in rule train:\nfiles are missing", exception="x")
    take(state, LogEvent.ERROR, "WorkflowError:\nAt least one job did not complete successfully.")
    other = "RuleException:\nCalledProcessError in file \"x.smk\", line 1:\nCommand 'of no job' returned"
    take(state, LogEvent.ERROR, other)
    take(state, LogEvent.JOB_ERROR, "Error in rule measure, jobid: 9", jobid=9)  # that never began
    missing = "MissingOutputException in rule train:\nfiles are missing"
    assert said(state) == [missing, other, "Error in rule measure, jobid: 9"]


@pytest.mark.parametrize("told_first", [True, False])
def test_what_an_interruption_ends_has_not_failed(clock: Clock, told_first: bool) -> None:
    state = make_state(clock, train=1)
    start(state, 1, "train.0")
    if told_first:
        take(state, None, "Terminating processes on user request, this might take some time.")
        fail(state, 1)
    else:
        fail(state, 1, "died with <Signals.SIGINT: 2>.")
    assert not state.said
    assert not state.failed
    take(state, None, "Terminating processes on user request, this might take some time.")
    take(state, None, f"Complete log(s): {Path.cwd()}/.snakemake/log/x.log")
    assert describe_end(state) == "interrupted: 0 of 1 jobs done in 0:00; log: .snakemake/log/x.log"


def test_time_left_is_what_jobs_alike_took_as_many_at_a_time(clock: Clock) -> None:
    state = make_state(clock, seconds=6.0, people=1, train=4)
    start(state, 0, "people.0")
    clock.now += 10
    finish(state, 0)
    assert state.seconds_left() is None  # no job of what is most of the rest is done
    start(state, 1, "train.0")
    start(state, 2, "train.1")
    clock.now += 20
    finish(state, 1)
    finish(state, 2)
    # two jobs of 20 s are left; 50 s of jobs took 30 s
    assert state.seconds_left() == pytest.approx(40 / (50 / 30))
    start(state, 3, "train.2")
    clock.now += 10
    assert state.seconds_left() == pytest.approx(30 / (60 / 40))
    clock.now += 100  # a job that takes longer than others tells nothing of them
    assert state.seconds_left() == pytest.approx(20 / (160 / 140))


def test_jobs_weigh_what_the_workflow_expects(clock: Clock) -> None:
    expected = {"train.small": 6.0, "train.large": 96.0}
    state = RunState({"train.small": 1, "train.large": 1, "total": 2}, expected.__getitem__, str, clock=clock)
    start(state, 1, "train.small")
    clock.now += 5
    finish(state, 1)
    assert state.seconds_left() == pytest.approx(50.0)


def test_a_log_is_followed_from_where_its_job_begins(tmp_path: Path) -> None:
    log = tmp_path / "job.log"
    assert JobLog(log, 0.0).read_lines() == []
    log.write_text("12:00:00 scripts/train.py --cell x\n12:00:01 old\n")
    os.utime(log, (1, 1))
    followed = JobLog(log, time.time())
    assert followed.read_lines() == []
    with log.open("a") as file:
        file.write("12:30:00 scripts/train.py --cell x\n12:30:01 one\ntwo\n12:30:02 thr")
    assert followed.read_lines() == ["one", "two"]
    with log.open("a") as file:
        file.write("ee\n")
    assert followed.read_lines() == ["three"]
    assert followed.read_lines() == []
    assert read_last_lines(log, 2.0) == ["one", "two", "three"]
    assert read_last_lines(log, log.stat().st_mtime + 0.02) == ["one", "two", "three"]  # files' clocks tick
    assert read_last_lines(log, time.time() + 60) == []


def draw(state: RunState, columns: int, lines: int) -> list[str]:
    console = Console(file=io.StringIO(), width=columns, height=lines)
    console.print(draw_run(state, columns, lines))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_the_display_shows_stages_jobs_and_failures(clock: Clock, tmp_path: Path) -> None:
    log = tmp_path / "job.log"
    state = make_state(clock, people=1, train=2)
    start(state, 0, "people.0")
    finish(state, 0)
    start(state, 1, "train.0")
    fail(state, 1)
    start(state, 2, "train.1", rule_msg=f"train {CELL}", log=[str(log)])
    log.write_text(f"12:00:00 train {CELL}-lr2e-2/seed0:  45% of 400K tokens, loss 4.1, 0:24 left\n")
    assert state.read_logs() == [f"train {CELL}-lr2e-2/seed0:  45% of 400K tokens, loss 4.1, 0:24 left"]
    clock.now += 65
    head, people, train, title, progress = draw(state, 80, 24)
    assert head.startswith("1 of 3 jobs done, 1 failed; 1:05 passed")
    assert (people.split()[0], people[-6:]) == ("people", "1 of 1")
    assert (train.split()[0], train[-16:]) == ("train", "0 of 2, 1 failed")
    assert title == f"train {CELL}"
    assert progress == "  1:05  seed0: 45% of 400K tokens, loss 4.1, 0:24 left"


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (40, 10), (200, 60)])
def test_the_display_fits(clock: Clock, columns: int, lines: int) -> None:
    stages = dict.fromkeys(
        "people tokenizer rewrites encode quantize extract measure draw explorer".split(), 1
    )
    state = make_state(clock, **stages, train=64)
    for number, name in enumerate(["people", "tokenizer", "rewrites", "encode"]):
        start(state, number, f"{name}.0")
        finish(state, number)
    for number in range(64):
        start(state, 10 + number, f"train.{number}", rule_msg=f"train {CELL}{'-wd0-batch16-warmup20' * 3}")
    take(state, None, "Will exit after finishing currently running jobs (scheduler).")
    drawn = draw(state, columns, lines)
    assert len(drawn) < lines
    assert max(map(len, drawn)) <= columns
    assert drawn[0].startswith("4 of 73 jobs done")
    shown = sum("gpt2" in line for line in drawn)
    assert shown
    assert drawn[-2] == f"and {64 - shown} more at work"
    assert any(line.startswith("people") for line in drawn) == (lines > 10)


def test_titles_keep_both_ends_of_their_parts() -> None:
    assert shorten_title(f"train {CELL}", 80) == f"train {CELL}"
    short = shorten_title("train data-of-some-kind/model/recipe-that-is-long-junk900", 40)
    assert short == "train da…me-kind/model/recipe-t…-junk900"
    assert len(short) == 40


def test_endings_in_words() -> None:
    assert describe_ending("3") == "exit status 3"
    assert describe_ending("143") == "exit status 143, SIGTERM"
    assert describe_ending("SIGSEGV") == "ended by SIGSEGV"
