"""Choose the runs of a study that tell most within a budget of hours, and write them as a study of their own.

Claims come first: as many as can be judged at all, each by the cheapest models that it needs, with two seeds.
What is left goes to the seeds and models that narrow intervals most. Runs that are measured already cost nothing.
docs/planning.md says how hours are estimated.
"""

import argparse
import json
import math
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import _path  # noqa: F401 (first, so that the package is found)
import torch
from knowledge_capacity import console, layout
from knowledge_capacity.costs import cost
from knowledge_capacity.files import UserError, atomic_write
from knowledge_capacity.planning.cells import read_cells, requested_seeds
from knowledge_capacity.planning.choose import choose_runs
from knowledge_capacity.planning.needs import ClaimNeed, find_claim_needs
from knowledge_capacity.planning.overlay import format_overlay
from knowledge_capacity.planning.plan_report import PlanReport, plan_summary, plan_text
from knowledge_capacity.study import overlay_files
from knowledge_capacity.verdicts.claims import LEAST_SEEDS

MACHINES = (1, 8, 64)
SEEDS, SEEDS_IN_STACKS = 5, 8  # of a model at most
SHAPES = 3  # of the benchmark of training, that the probe times
MANY = 4  # times its steps


def run_job(arguments: argparse.Namespace, log: console.Log) -> None:
    if arguments.probe:
        time_training(arguments.at_once, log)
        if arguments.hours is None:
            return
    if arguments.hours is None or not 0 < arguments.hours < math.inf:
        raise UserError(
            "how many hours are there? Write a number above 0: make budget HOURS=24, or --hours 24 with the script."
        )
    if arguments.at_once < 1 or (arguments.seeds or LEAST_SEEDS) < LEAST_SEEDS:
        raise UserError(
            f"--seeds {arguments.seeds} --at-once {arguments.at_once}: write {LEAST_SEEDS} seeds or more, and 1 cell "
            "or more."
        )
    rates = cost.device_rates(arguments.device)
    most = arguments.seeds or (SEEDS if rates.habit.stack == 1 else SEEDS_IN_STACKS)
    config, sources = overlay_files.read_configuration(arguments.configfile)
    study = overlay_files.make_study(config, sources)
    log.say(f"budget: choosing of {len(study.cells)} models, with up to {most} seeds each")
    cells = read_cells(study, rates)
    wanted = find_claim_needs(study, cells)
    seeds = {cell: range(most) for cell in cells.values()}
    runs = [run.slug for cell, own in seeds.items() for seed in own for run in cell.with_seed(seed)]
    there = {run: None for run in runs if layout.measurements_path(run).is_file()}
    plan = choose_runs(wanted, seeds, 3600 * arguments.hours, arguments.at_once, there)
    if not plan.judged:
        raise UserError(explain_empty_plan(wanted))
    file = arguments.output / "study.yaml"
    files = map(str, [*arguments.configfile, file])
    # the other profiles say by themselves how much is done at a time
    cores = ["--cores", str(arguments.at_once)] if arguments.profile == "local" else []
    command = shlex.join(
        ["snakemake", "--workflow-profile", f"envs/{arguments.profile}", *cores, "--configfile", *files]
    )
    measured = sum(
        run.slug in there for cell, own in plan.seeds.items() for one in own for run in cell.with_seed(one)
    )
    remark = "" if arguments.device or cost.local_rates() else cost.UNTIMED
    if arguments.profile == "gpu" and not arguments.device and not torch.cuda.is_available():
        remark = (
            "These are hours of a processor, since there is no GPU here. For those of an H100:\n"
            '  make budget PROFILE=gpu OPTIONS="--device h100 --at-once 1" …'
        )
    of = PlanReport(
        plan,
        wanted,
        rates,
        arguments.hours,
        arguments.at_once,
        command,
        requested_seeds(study, cells),
        measured,
        remark,
    )
    text = arguments.output / "plan.md"
    # experiments of whose claims none is judged are left out: the runs of others would not make their figures
    idle = {need.experiment for need in wanted} - {need.experiment for need in plan.judged}
    for path, content in (
        (file, format_overlay(study, cells, plan.seeds, idle)),
        (text, plan_text(of, MACHINES)),
    ):
        with atomic_write(path) as aside:
            aside.write_text(content, encoding="utf-8")
    print(plan_summary(of, text), end="")


def explain_empty_plan(wanted: list[ClaimNeed]) -> str:
    """Why no claim is judged, and what to do."""
    cheapest = min((need.seconds for need in wanted if need.least), default=None)
    if cheapest is None:
        return (
            "no claim of this study could be judged by its runs, whatever the budget: give datasets that do not limit "
            "its models."
        )
    return (
        f"the budget pays for no claim: the cheapest takes {cheapest / 3600:.3g} hours. Allow so much, or plan a "
        "smaller study."
    )


def time_training(at_once: int, log: console.Log) -> None:
    """Time training on this machine in about a minute: stacks on a GPU, elsewhere runs side by side as planned for."""
    benchmark = [sys.executable, str(Path(__file__).with_name("benchmark.py"))]
    if torch.cuda.is_available():
        subprocess.run([*benchmark, "stacks", "--quick"], check=True)  # noqa: S603 (our own)
        return
    log.say(f"budget: timing {at_once} runs at once, of {SHAPES} sizes each")
    timings = []
    for shape in range(SHAPES):
        what = _run_benchmarks(benchmark, [["facts", shape, 1]])[0]
        each = _run_benchmarks(benchmark, [["ours", shape, 1, MANY]] * at_once)
        size, batch = (what["layers"], what["n_parameters"]), (what["batch_size"], what["window"])
        seconds = sum(one["seconds"] for one in each) / at_once
        timings.append(cost.Timing(*size, *batch, seconds=seconds))
        log.say(
            f"budget: {what['architecture']}, {console.format_amount(math.prod(batch) / seconds)} tokens/s each"
        )
    cost.keep_timings(f"this machine, {at_once} runs at once", timings)


def _run_benchmarks(benchmark: list[str], options: list[list[Any]]) -> list[dict[str, Any]]:
    jobs = [
        subprocess.Popen(  # noqa: S603 (our own)
            [*benchmark, "training", "--one", json.dumps(one)], stdout=subprocess.PIPE, text=True
        )
        for one in options
    ]
    outputs = [one.communicate()[0] for one in jobs]
    if any(one.returncode for one in jobs):
        raise UserError("--probe: the benchmark failed (see above).")
    return [json.loads(text.splitlines()[-1]) for text in outputs]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="budget", description=__doc__)
    parser.add_argument("--hours", type=float, metavar="H", help="how long the study may take")
    parser.add_argument(
        "--at-once",
        type=int,
        default=torch.cuda.device_count() or os.cpu_count() or 1,
        metavar="N",
        help="cells at a time: cores, or GPUs (default: those here)",
    )
    parser.add_argument(
        "--device",
        metavar="NAME",
        help="h100, or a processor that measurements name; default: this one by its probe, else the one most measured",
    )
    parser.add_argument(
        "--probe", action="store_true", help="time training on this machine first, and keep what it says"
    )
    parser.add_argument(
        "--seeds",
        type=int,
        metavar="N",
        help=f"at most so many for each model (default: {SEEDS}, on a GPU {SEEDS_IN_STACKS})",
    )
    parser.add_argument(
        "--configfile", type=Path, nargs="+", default=[], metavar="FILE", help="overlays of config.yaml"
    )
    parser.add_argument(
        "--profile", default="local", metavar="NAME", help="a folder of envs/; default: local"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("results/plan"), metavar="FOLDER", help="default: results/plan"
    )
    console.main(run_job, parser)
