"""Run a large study in slices, what tells most first, and publish each as soon as it is measured.

The slices of studies/NAME.yaml are the overlays in studies/NAME/, in the order of their names. What one has trained,
the next ones have. Each is added to results/published/NAME, with figures and scorecard. A slice that fails does not
stop those after it. Stop when you like: the same command goes on. Where there is a GPU, the speed of training is
measured first.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import torch
from knowledge_capacity import console
from knowledge_capacity.bits import request
from knowledge_capacity.bits.workflow import snakemake
from knowledge_capacity.config import did_you_mean
from knowledge_capacity.files import UserError
from knowledge_capacity.report.publish import publish

STUDIES = Path("studies")
MEASUREMENTS, PUBLISHED = Path("results/measurements.parquet"), Path("results/published")
SPEED = Path("results/benchmarks/training.md")


def job(arguments: argparse.Namespace, log: console.Log) -> None:
    known = [path.name for path in STUDIES.iterdir() if path.is_dir() and path.with_suffix(".yaml").is_file()]
    if arguments.study not in known:
        remedy = (
            f"{did_you_mean(arguments.study, known)} Slices are overlays in a folder beside the study's file."
        )
        raise UserError(f"{arguments.study or 'which study?'}: a study with slices is wanted. {remedy}")
    folder = STUDIES / arguments.study
    slices = sorted(folder.glob("*.yaml"))
    for slice_ in slices:  # all mistakes before any work
        request.study_of(*request.configuration([folder.with_suffix(".yaml"), slice_]))
    if torch.cuda.is_available() and not SPEED.is_file():
        script = str(Path(__file__).with_name("benchmark.py"))
        subprocess.run([sys.executable, script, "training"], check=True)  # noqa: S603 (our own)
    failed = []
    for number, slice_ in enumerate(slices, 1):
        log.say(f"slices: {slice_}, {number} of {len(slices)}")
        if snakemake([folder.with_suffix(".yaml"), slice_], arguments.profile, arguments.cores):
            failed.append(str(slice_))
        else:
            publish(MEASUREMENTS, PUBLISHED / arguments.study, log.say)
    if failed:
        raise UserError(
            f"not finished: {', '.join(failed)} (see above). The same command goes on from there."
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="slices", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", metavar="NAME", help="of a study with slices, such as gpu")
    parser.add_argument(
        "--profile", default="local", metavar="NAME", help="a folder of envs/; default: local"
    )
    parser.add_argument("--cores", default="all", metavar="N", help="default: all")
    console.main(job, parser)
