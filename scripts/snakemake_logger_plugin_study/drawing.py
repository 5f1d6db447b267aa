"""The display as rich draws it: a line about all, a bar for each stage, and what runs."""

import re

from knowledge_capacity.console import format_duration
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from .run_state import Job, RunState

RUN = re.compile(r"^\w+ \S*/([^/\s]+): +")  # before what a job says of a run: the job's name, and the run's

FEW = 4  # jobs to have room for before bars of what is done


def draw_run(state: RunState, columns: int, lines: int) -> RenderableType:
    """The display, in so many columns and fewer lines than there are."""
    now = state.clock()
    note = [Text(state.note, style="dim", no_wrap=True, overflow="ellipsis")] if state.note else []
    room = lines - 2 - len(note)  # for bars and jobs; one line is the cursor's
    jobs, names = list(state.running.values()), list(state.stages)
    for name, stage in state.stages.items():  # where there is no room, those that are done go first
        if len(names) + 2 * min(len(jobs), FEW) + 1 > room and stage.done == stage.total:
            names.remove(name)
    names = names[: max(1, room - 3)]
    shown = (room - len(names)) // 2
    if len(jobs) > shown:
        shown = (room - len(names) - 1) // 2
        note.insert(0, Text(f"and {len(jobs) - shown} more at work", style="dim"))
    bars = Table.grid(padding=(0, 1), expand=True)
    bars.add_column(no_wrap=True)
    bars.add_column(ratio=1)
    bars.add_column(no_wrap=True, justify="right")
    for name in names:
        stage = state.stages[name]
        failed = Text(f", {stage.failed} failed", style="red") if stage.failed else Text()
        bar = ProgressBar(stage.total, stage.done)
        bars.add_row(name, bar, Text(f"{stage.done} of {stage.total}") + failed)
    return Group(
        Text(describe_run(state, now), style="bold", no_wrap=True, overflow="ellipsis"),
        bars,
        *(line for job in jobs[:shown] for line in describe_job(job, now, columns)),
        *note,
    )


def describe_run(state: RunState, now: float) -> str:
    """How far all is: jobs, failures, time passed and time left."""
    failed = f", {len(state.failed)} failed" if state.failed else ""
    left = state.seconds_left()
    rest = "" if left is None else f", about {format_duration(max(1.0, left))} left"
    return (
        f"{state.done} of {state.total} jobs done{failed}; {format_duration(now - state.began)} passed{rest}"
    )


def describe_job(job: Job, now: float, columns: int) -> tuple[Text, Text]:
    """What a job is, and what it says."""
    says = RUN.sub(r"\1: ", job.says) or ("at work" if job.local else "submitted")
    second = Text(f"  {format_duration(now - job.began)}  {says}", "dim", no_wrap=True, overflow="ellipsis")
    return Text(shorten_title(job.title, columns), no_wrap=True, overflow="ellipsis"), second


def shorten_title(title: str, columns: int) -> str:
    """A title with its longest parts, between slashes, shortened in their middles until it fits."""
    parts = title.split("/")
    lengths = [len(part) for part in parts]
    while sum(lengths) + len(parts) - 1 > columns and max(lengths) > 3:
        lengths[lengths.index(max(lengths))] -= 1
    return "/".join(
        part if len(part) == kept else f"{part[: kept // 2]}…{part[len(part) - (kept - kept // 2 - 1) :]}"
        for part, kept in zip(parts, lengths, strict=True)
    )


def describe_end(state: RunState) -> str:
    """The last line: how far it came and, unless all is done, where to read more."""
    passed = format_duration(state.clock() - state.began)
    what = f"{state.done} of {state.total} jobs done in {passed}"
    if state.interrupted:
        what = f"interrupted: {what}"
    if state.failed:
        what = f"{what}, {len(state.failed)} failed (above)"
    return f"{what}; log: {state.log}" if state.log and state.done < state.total else what
