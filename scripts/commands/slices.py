"""Run a large study in slices, what tells most first, and publish each as soon as it is measured.

The slices of studies/NAME.yaml are the overlays in studies/NAME/, in the order of their names. What one has trained,
the next ones have. Each is added to results/published/NAME, with figures and scorecard. A slice that fails does not
stop those after it. Stop when you like: the same command goes on. Where there is a GPU, the speed of training is
measured first.

With --minutes, of each slice the runs are made that tell most and fit in the time, start and compiling included. What
is done when it is over is measured and published; what is under way goes on the next time.
"""

import argparse
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import _path  # noqa: F401 (first, so that the package is found)
import torch
from knowledge_capacity import console
from knowledge_capacity.config import suggest_name
from knowledge_capacity.costs import cost
from knowledge_capacity.files import UserError
from knowledge_capacity.measurements import measurement_table
from knowledge_capacity.planning import job_resources
from knowledge_capacity.planning.clock import Clock
from knowledge_capacity.planning.slices import read_slice
from knowledge_capacity.planning.timebox import RunEnvironment, fill_time
from knowledge_capacity.report.publish import publish_measurements
from knowledge_capacity.study import overlay_files
from knowledge_capacity.study.running import run_snakemake, run_with_timeout

STUDIES = Path("studies")
MEASUREMENTS, PUBLISHED = Path("results/measurements.parquet"), Path("results/published")
SPEED = Path("results/benchmarks/training.md")
BENCHMARK = Path(__file__).with_name("benchmark.py")
TIMING = 60.0  # seconds at most for timing stacks, and no more than an eighth of the time


def run_job(arguments: argparse.Namespace, log: console.Log) -> None:
    if arguments.minutes is not None and not 0 < arguments.minutes < math.inf:
        raise UserError(f"MINUTES={arguments.minutes:g}: write a number above 0, such as MINUTES=12.")
    clock = Clock(arguments.minutes) if arguments.minutes else None
    known = [path.name for path in STUDIES.iterdir() if path.is_dir() and path.with_suffix(".yaml").is_file()]
    if arguments.study not in known:
        remedy = (
            f"{suggest_name(arguments.study, known)} Slices are overlays in a folder beside the study's file."
        )
        raise UserError(f"{arguments.study or 'which study?'}: a study with slices is wanted. {remedy}")
    folder = STUDIES / arguments.study
    slices = [[folder.with_suffix(".yaml"), slice_] for slice_ in sorted(folder.glob("*.yaml"))]
    for overlays in slices:  # all mistakes before any work
        overlay_files.make_study(*overlay_files.read_configuration(overlays))
    failed = (
        run_slices_in_time(slices, arguments, clock, log) if clock else run_all_slices(slices, arguments, log)
    )
    if failed:
        raise UserError(
            f"not finished: {', '.join(failed)} (see above). The same command goes on from there."
        )


def run_all_slices(slices: list[list[Path]], arguments: argparse.Namespace, log: console.Log) -> list[str]:
    """Run all slices, and publish each; the names of those that failed."""
    if torch.cuda.is_available() and not SPEED.is_file():
        subprocess.run([sys.executable, str(BENCHMARK), "training"], check=True)  # noqa: S603 (our own)
    failed = []
    for number, overlays in enumerate(slices, 1):
        log.say(f"slices: {overlays[-1]}, {number} of {len(slices)}")
        if run_snakemake(overlays, arguments.profile, arguments.cores):
            failed.append(str(overlays[-1]))
        else:
            publish_measurements(
                measurement_table.read_measurements(MEASUREMENTS), PUBLISHED / arguments.study, log.say
            )
    return failed


def run_slices_in_time(
    slices: list[list[Path]], arguments: argparse.Namespace, clock: Clock, log: console.Log
) -> list[str]:
    """Make what tells most in the time that there is; the runs that failed."""
    gpus, kept = torch.cuda.device_count(), PUBLISHED / arguments.study / cost.STACKED.name
    rates = cost.local_rates() or cost.local_rates(kept)
    if gpus and not rates:
        with clock.stage("timing"):
            command = [sys.executable, str(BENCHMARK), "stacks", "--quick"]
            if run_with_timeout(command, min(TIMING, clock.until_stop / 8)) == 0:
                rates = cost.local_rates()
                kept.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(cost.STACKED, kept)
    rates = rates or job_resources.RATES["gpu" if gpus else "cpu"]
    log.say(f"slices: costs by {rates.runs} timings of {rates.device}")
    cores = os.cpu_count() or 1 if arguments.cores == "all" else int(arguments.cores)
    place = RunEnvironment(
        arguments.profile, arguments.cores, gpus or cores, rates.factor(), PUBLISHED / arguments.study
    )
    with clock.stage("planning"):
        read = [read_slice(overlays, rates) for overlays in slices]
    return fill_time(read, place, clock, log.say)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="slices", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", metavar="NAME", help="of a study with slices, such as gpu")
    parser.add_argument(
        "--profile", default="local", metavar="NAME", help="a folder of envs/; default: local"
    )
    parser.add_argument("--cores", default="all", metavar="N", help="default: all")
    parser.add_argument(
        "--minutes",
        type=float,
        metavar="M",
        help="make what tells most in so many minutes, and end then; default: everything, however long it takes",
    )
    console.main(run_job, parser)
