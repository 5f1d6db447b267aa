"""Filling a given time with the runs of slices that tell most, and keeping what is done when the time is over."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa

from ..console import count_noun, format_duration
from ..layout import MEASUREMENTS
from ..measurements import measurement_table
from ..report.publish import publish_measurements
from ..study.running import STOPPED, run_snakemake
from .clock import Clock
from .needs import PlannedCell
from .slices import (
    Chosen,
    Slice,
    SliceState,
    choose_fitting_seeds,
    choose_starting_seeds,
    collect_rows,
    exclude_runs,
    read_state,
    run_slugs,
    temporary_study,
)

ROUND = 15.0  # seconds: Snakemake starts, looks at what is there, and has people and tokenizer made
PUBLISHING = 15.0  # seconds

Say = Callable[[str], None]


@dataclass(frozen=True)
class RunEnvironment:
    """Where runs are made. at_once: cells that are trained at a time. folder: of what is published.

    factor: by which training may take longer than predicted.
    """

    profile: str
    cores: str
    at_once: int
    factor: float
    folder: Path
    states: dict[str, SliceState] = field(default_factory=dict)  # of slices, until something is made

    def published(self) -> pa.Table | None:
        """The measurements that are published."""
        file = self.folder / MEASUREMENTS
        return measurement_table.read_measurements(file) if file.is_file() else None

    def state(self, slice_: Slice) -> SliceState:
        """What there is of a slice."""
        if slice_.name not in self.states:
            self.states[slice_.name] = read_state(slice_, self.published())
        return self.states[slice_.name]

    def make(self, slice_: Slice, seeds: Chosen, seconds: float) -> int:
        """Train and measure seeds of a slice, as long as there is time; the exit status of Snakemake."""
        self.states.clear()
        with temporary_study(slice_, seeds) as (overlays, study):
            return run_snakemake(overlays, self.profile, self.cores, study.measurements(), max(0.0, seconds))


@dataclass(frozen=True)
class TrainingRound:
    """What is made next. seconds: that it takes at most. fits: whether it is expected to be done in the time."""

    slice_: Slice
    seeds: Chosen
    seconds: float
    fits: bool


def fill_time(slices: Sequence[Slice], place: RunEnvironment, clock: Clock, say: Say) -> list[str]:
    """Train, measure and publish what fits in the time, and say what was done; returns the runs that failed."""
    failed: list[str] = []
    tried: dict[str, set[str]] = {slices[0].name: set()}  # runs, by slice
    while one := choose_next_round([exclude_runs(slice_, failed) for slice_ in slices], place, clock):
        tried.setdefault(one.slice_.name, set()).update(run_slugs(one.seeds))
        say(describe_round(one, clock))
        with clock.stage("training"):
            status = place.make(one.slice_, one.seeds, clock.until_stop)
        if status == STOPPED:
            say("slices: the time for training is over; what is under way has saved its progress")
            break
        with clock.stage("planning"):
            failed += run_slugs(place.state(one.slice_).unfinished(one.seeds))
    lines: list[str] = []
    for slice_ in (slice_ for slice_ in slices if slice_.name in tried):
        state, runs = finish_slice(slice_, place, clock, say), tried[slice_.name]
        lines += describe_result(slice_, state, runs)
    states = [(slice_, place.state(slice_)) for slice_ in slices]
    for line in [
        *lines,
        *list_runs_under_way(states),
        *(list(list_remaining_work(states)) or ["nothing is left: all runs of these slices are made"]),
        f"time {clock.account()}",
    ]:
        say(f"slices: {line}")
    return failed


def choose_next_round(slices: Sequence[Slice], place: RunEnvironment, clock: Clock) -> TrainingRound | None:
    """What tells most of what can be made in the time, by the first slice with anything that can.

    Where nothing can, what is to be begun, if there is time to come well beyond its first step. None where there is
    nothing to do, or no time.
    """
    seconds = clock.until_stop - ROUND
    if seconds <= 0:
        return None
    with clock.stage("planning"):
        unfinished = []
        for slice_ in slices:
            if not place.state(slice_).unfinished(slice_.seeds):
                continue
            unfinished.append(slice_)
            seeds, needed = choose_fitting_seeds(
                slice_, place.state(slice_), seconds / place.factor, place.at_once
            )
            if seeds:
                return TrainingRound(slice_, seeds, needed, fits=True)
        for slice_ in unfinished:
            state = place.state(slice_)
            seeds = choose_starting_seeds(slice_, state, place.at_once)
            if seconds > 2 * max(cell.rates.habit.until_first_step for cell in seeds):
                return TrainingRound(slice_, seeds, state.seconds(seeds), fits=False)
    return None


def finish_slice(slice_: Slice, place: RunEnvironment, clock: Clock, say: Say) -> SliceState:
    """Measure what is trained of a slice, and publish what is measured."""
    with clock.stage("measuring"):
        state = place.state(slice_)
        if (trained := state.trained(slice_.seeds)) and clock.left > PUBLISHING:
            place.make(slice_, trained, clock.left - PUBLISHING)
            state = place.state(slice_)
    with clock.stage("publishing"):
        published = place.published()
        table = collect_rows(slice_, state, published)
        if has_new_measurements(table, published):
            publish_measurements(table, place.folder, say)
    return state


def has_new_measurements(table: pa.Table, published: pa.Table | None) -> bool:
    """Whether some measurements are not published, or not for all that they are asked for."""
    known = {
        (row["run"], row["variant"], experiment)
        for row in (published.to_pylist() if published else ())
        for experiment in row["experiments"] or ()
    }
    return any(
        (row["run"], row["variant"], experiment) not in known
        for row in table.to_pylist()
        for experiment in row["experiments"]
    )


def describe_round(one: TrainingRound, clock: Clock) -> str:
    """What is made next, in words."""
    what = f"{count_noun(len(run_slugs(one.seeds)), 'run')} of {count_noun(len(one.seeds), 'cell')}"
    if not one.fits:
        what += " to begin with, since nothing fits"
    cells = "".join(f"\n  {name_cell(cell, own)}" for cell, own in one.seeds.items())
    return (
        f"slices: {one.slice_.name}: {what}, in about {format_duration(one.seconds)}; there are "
        f"{format_duration(clock.until_stop)} for training{cells}"
    )


def name_cell(cell: PlannedCell, seeds: Sequence[int]) -> str:
    """A cell by its dataset, architecture and recipe, with seeds."""
    rates = f", {len(cell.runs)} learning rates" if len(cell.runs) > 1 else ""
    return f"{cell.runs[0].slug.rpartition('/')[0]}{rates}, seeds {', '.join(map(str, seeds))}"


def describe_result(slice_: Slice, state: SliceState, tried: set[str]) -> Iterator[str]:
    """What has come of a slice, in lines. tried: the runs of its rounds."""
    if tried:
        yield f"{slice_.name}: {len(tried & state.here)} of {count_noun(len(tried), 'run')} made"
    if trained := run_slugs(state.trained(slice_.seeds)):
        yield f"{slice_.name}: {count_noun(len(trained), 'run')} trained, to be measured the next time"
    if state.lacking:
        yield (
            f"{slice_.name}: {count_noun(len(state.lacking), 'run')} published, but not in all variants, and without "
            "weights here: bring results/ from where they were made"
        )


def list_runs_under_way(states: Sequence[tuple[Slice, SliceState]]) -> Iterator[str]:
    """What has been begun and not ended, a line for each cell."""
    lines: dict[str, str] = {}
    for slice_, state in states:
        for cell, own in state.under_way(slice_.seeds).items():
            shares = [state.left[run] or 0.0 for run in run_slugs({cell: own})]
            done = f"{1 - sum(shares) / len(shares):.0%}, {format_duration(state.seconds({cell: own}))} more"
            lines.setdefault(name_cell(cell, own), done)
    return (f"under way: {name}: {line}" for name, line in lines.items())


def list_remaining_work(states: Sequence[tuple[Slice, SliceState]]) -> Iterator[str]:
    """How much is left of each slice that those before it do not make."""
    counted: set[str] = set()
    for slice_, state in states:
        new = replace(state, left={r: None if r in counted else share for r, share in state.left.items()})
        counted |= {run for run, share in state.left.items() if share is not None}
        if seeds := new.unfinished(slice_.seeds):
            runs = sum(share is not None for share in new.left.values())
            yield f"next: {slice_.name}: {count_noun(runs, 'run')} in {format_duration(new.seconds(seeds))}"
