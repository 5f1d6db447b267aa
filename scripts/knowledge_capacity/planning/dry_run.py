"""The jobs of a dry run, and how long they would take."""

import re
from collections import Counter
from collections.abc import Mapping

from ..costs.rates import Rates, cell_seconds, training_work
from ..files import UserError
from ..specs import Checkpoint
from ..study.study import Study
from .cells import count_run_parameters
from .slices import share_left

LINE = re.compile(r"^([a-z_]+)(?:\.(\S+))? +(\d+)$", re.MULTILINE)  # stage, the cell if it has one, jobs
NO_WORK = ("all", "total")  # lines of Snakemake's table
OF_CELLS = ("train", "measure", "quantize", "extract")

Jobs = Mapping[tuple[str, str], int]  # how many, by stage and cell, whose name has dots for slashes


def read_jobs(output: str) -> dict[tuple[str, str], int]:
    """The jobs of a dry run's table, in its order, the total at the end; empty where nothing is to be done."""
    lines = LINE.findall(output.partition("Job stats:")[2].partition("\n\n")[0])
    return {(stage, cell): int(count) for stage, cell, count in lines}


def count_stages(jobs: Jobs) -> dict[str, int]:
    """Jobs of each stage."""
    counts: Counter[str] = Counter()
    for (stage, _), count in jobs.items():
        counts[stage] += count
    return dict(counts)


def chain_seconds(study: Study, jobs: Jobs, rates: Rates) -> list[float]:
    """Seconds of the jobs: a number for each cell, whose jobs wait for each other, and one for each job of no cell.

    A job takes its start. Training adds what is left of its runs, measuring its own time for each run. Raises UserError
    for jobs of another study, and for a tokenizer that cannot be had.
    """
    runs = {slug: [run] for slug, run in study.runs.items()}  # where each run is trained by a job of its own
    runs |= {task.name: task.runs for task in study.quantizations()}
    runs |= {task.name: task.runs for task in study.questionings()} | study.cells
    named = {
        name.replace("/", "."): own for name, own in runs.items()
    }  # as rule_name of rules/common.smk has it
    cells: dict[str, float] = {}
    others: list[float] = []
    for (stage, name), count in jobs.items():
        own, seconds = named.get(name, []), rates.habit.start
        if stage in NO_WORK:
            continue
        if not own and stage in OF_CELLS:
            raise UserError(
                f"{stage}.{name}: the study has no such job. Give --configfile and --config as to Snakemake."
            )
        if stage == "train" and not isinstance(own[0].architecture, Checkpoint):
            if left := [share for share in map(share_left, own) if share]:
                seconds = cell_seconds(training_work(own[0], count_run_parameters(own[0])), left, rates)
        elif stage == "measure":
            seconds += rates.habit.measuring * len(own)
        if own:
            cells[own[0].cell] = cells.get(own[0].cell, 0.0) + seconds
        else:
            others += [seconds] * count
    return [*cells.values(), *others]
