"""Draw the figures that are out of date, each with the table of its numbers, and judge the claims of the paper.

Figures that are up to date stay as they are. The scorecard, for people and machines, is made every time.
"""

import argparse
import gc
import os
from pathlib import Path

from knowledge_capacity import console
from knowledge_capacity.capacity import measurement
from knowledge_capacity.experiments import experiment_modules, redraw
from knowledge_capacity.report import scorecard

# a figure is many objects that are free all at once: looking through them for garbage takes a tenth of the time
gc.set_threshold(500_000, 50, 50)


def job(arguments: argparse.Namespace, log: console.Log) -> None:
    wanted, measurements = dict(arguments.experiments), measurement.read(arguments.measurements)
    if arguments.scorecard:
        figures = os.path.relpath(arguments.output, arguments.scorecard.parent)
        found = scorecard.entries(measurements, experiment_modules(), figures)
        scorecard.write(found, arguments.scorecard, ["json", "md", "html"])
        log.say(f"scorecard: {scorecard.tally(found)}")
    drawn = redraw.draw(wanted, measurements, arguments.output, log.say)
    log.write(f"drawn: {', '.join(drawn) or 'nothing'}; {len(wanted)} figures in {arguments.output}")


def experiment(text: str) -> tuple[str, str]:
    """NAME=CODE."""
    name, _, code = text.partition("=")
    return name, code


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="figures", description=__doc__)
    parser.add_argument(
        "--experiments",
        required=True,
        nargs="*",
        type=experiment,
        metavar="NAME=CODE",
        help="modules of knowledge_capacity.experiments, each with a fingerprint of its code",
    )
    parser.add_argument(
        "--measurements", required=True, type=Path, metavar="FILE", help="measurements.parquet"
    )
    parser.add_argument("--output", required=True, type=Path, metavar="FOLDER", help="where figures are")
    parser.add_argument(
        "--scorecard", type=Path, metavar="PATH", help="where the scorecard goes, without an ending"
    )
    console.main(job, parser)
