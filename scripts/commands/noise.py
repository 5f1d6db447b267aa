"""The noise of a setup: how far seeds of one model lie apart, and what difference so many seeds can tell.

MODEL is what make bits takes, by default the architecture gpt2-2-1-d12. It is trained with several seeds. docs/noise.md
tells more.
"""

import argparse
import os
from pathlib import Path

import _path  # noqa: F401 (first, so that the package is found)
import torch
from knowledge_capacity import console
from knowledge_capacity.files import UserError
from knowledge_capacity.specs import Checkpoint
from knowledge_capacity.statistics.noise import format_noise
from knowledge_capacity.statistics.own_model import refuse_diverged
from knowledge_capacity.statistics.readiness import describe_obstacles
from knowledge_capacity.study import own_study
from knowledge_capacity.study.running import refuse_unfinished

DEFAULT = "gpt2-2-1-d12"  # of the default study, the one in the middle


def run_job(arguments: argparse.Namespace, log: console.Log) -> None:
    if arguments.seeds < 2:
        raise UserError(f"--seeds {arguments.seeds}: one seed has no spread. Write a number of at least 2.")
    arguments.model = arguments.model or DEFAULT
    model = own_study.find_model(arguments)
    if isinstance(model, Checkpoint):
        raise UserError(f"{arguments.model}: is trained already, with one seed. Name a model to be trained.")
    setting = own_study.read_setting(arguments, model, log)
    model = setting.model
    seeds = list(range(arguments.seeds))
    file = own_study.write_overlay(setting, [], seeds, arguments, Path("results/noise"))
    log.say(
        f"noise: {model.slug} has about {setting.size:,} parameters; {len(seeds)} seeds. The study is {file}"
    )
    status, rows = own_study.run_study([*arguments.configfile, file], arguments)
    if rows is not None:
        refuse_diverged(rows)
    refuse_unfinished(status or rows is None)
    assert rows is not None
    print(f"{model.slug}, {arguments.dataset}, {rows.exposures.iloc[0]} exposures")
    print(format_noise(rows, count_runs_at_once(arguments.cores)))
    if obstacles := describe_obstacles([(rows, model.slug)]):
        print(f"\n{obstacles}")


def count_runs_at_once(cores: str) -> int:
    """How many runs are trained side by side, each in its `train_seconds`; in a stack each has its share of them."""
    if torch.cuda.is_available():
        return 1
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return there if cores == "all" else min(there, int(cores))


if __name__ == "__main__":
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="noise", description=__doc__, formatter_class=formatter)
    parser.add_argument("model", metavar="MODEL", nargs="?", default="", help=f"default: {DEFAULT}")
    parser.add_argument("--seeds", type=int, default=8, metavar="N", help="so many, from 0 on (default: 8)")
    own_study.add_options(parser)
    console.main(run_job, parser)
