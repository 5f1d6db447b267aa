"""Count the jobs of a dry run by stage, and say how long they would take on this machine.

snakemake --dry-run --quiet host reason rules | python scripts/commands/plan.py

Each cell has rules of its own, so Snakemake's own table has a line for every job.
"""

import argparse
import os
import sys
from pathlib import Path

import _path  # noqa: F401 (first, so that the package is found)
import torch
import yaml
from knowledge_capacity import console
from knowledge_capacity.costs import cost
from knowledge_capacity.files import UserError
from knowledge_capacity.planning.choose import finish_seconds
from knowledge_capacity.planning.dry_run import Jobs, chain_seconds, count_stages, read_jobs
from knowledge_capacity.study import overlay_files


def run_job(arguments: argparse.Namespace, log: console.Log) -> None:
    printed = sys.stdin.read()
    jobs = read_jobs(printed)
    for stage, count in count_stages(jobs).items():
        print(f"{stage:<14}{count:>7,}")
    if not jobs:
        print(printed.strip())
        return
    try:
        print(describe_time(arguments, jobs))
    except UserError as error:
        print(f"How long they take is not known: {error}")


def describe_time(arguments: argparse.Namespace, jobs: Jobs) -> str:
    """How long these jobs would take here, and how to know it better.

    Raises UserError where nothing tells what training costs.
    """
    rates = cost.device_rates(None)
    config, files = overlay_files.read_configuration(arguments.configfile)
    given = (one.partition("=") for one in arguments.config)
    study = overlay_files.make_study(
        config | {name: yaml.safe_load(value) for name, _, value in given}, files
    )
    cores = os.cpu_count() or 1 if arguments.cores == "all" else int(arguments.cores)
    number, unit = (torch.cuda.device_count(), "GPU") if torch.cuda.is_available() else (cores, "core")
    seconds, factor = finish_seconds(chain_seconds(study, jobs, rates), number), rates.factor()
    least, likely, most = map(console.format_rough_duration, (seconds / factor, seconds, seconds * factor))
    said = (
        f"They take about {likely} on {console.count_noun(number, unit)} of this machine; nine times of ten, "
        f"{least} to {most}."
    )
    if not cost.local_rates():
        said += f"\n{cost.UNTIMED}"
    return said


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="plan", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--configfile",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="overlays, as given to Snakemake",
    )
    parser.add_argument(
        "--config", nargs="+", default=[], metavar="NAME=VALUE", help="values, as given to Snakemake"
    )
    parser.add_argument("--cores", default="all", metavar="N", help="default: all")
    console.main(run_job, parser)
