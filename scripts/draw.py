"""Draw the figures that are out of date, each with the table of its numbers, and judge the claims of the paper.

Figures that are up to date stay as they are. The scorecard, for people and machines, is made every time.
"""

import argparse
import gc
import os
from pathlib import Path

from knowledge_capacity import console
from knowledge_capacity.experiments import list_experiments
from knowledge_capacity.measurements import measurement_table
from knowledge_capacity.report import redraw, scorecard

# a figure is many objects that are free all at once: looking through them for garbage takes a tenth of the time
gc.set_threshold(500_000, 50, 50)


def run_job(arguments: argparse.Namespace, log: console.Log) -> None:
    wanted, measurements = (
        dict(arguments.experiments),
        measurement_table.read_measurements(arguments.measurements),
    )
    if arguments.scorecard:
        figures = os.path.relpath(arguments.output, arguments.scorecard.parent)
        found = scorecard.scorecard_entries(measurements, list_experiments(), figures)
        scorecard.write_scorecard(found, arguments.scorecard, ["json", "md", "html"])
        log.say(f"scorecard: {scorecard.describe_verdicts(found)}")
    drawn = redraw.draw_outdated_figures(wanted, measurements, arguments.output, log.say)
    log.write(f"drawn: {', '.join(drawn) or 'nothing'}; {len(wanted)} figures in {arguments.output}")


def parse_experiment(text: str) -> tuple[str, str]:
    """NAME=CODE."""
    name, _, code = text.partition("=")
    return name, code


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="draw", description=__doc__)
    parser.add_argument(
        "--experiments",
        required=True,
        nargs="*",
        type=parse_experiment,
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
    console.main(run_job, parser)
