"""Draw the figures that are out of date, each with the table of its numbers, and leave the others as they are."""

import argparse
import gc
from pathlib import Path

from knowledge_capacity import console
from knowledge_capacity.capacity import measurement
from knowledge_capacity.experiments import redraw

# a figure is many objects that are free all at once: looking through them for garbage takes a tenth of the time
gc.set_threshold(500_000, 50, 50)


def job(arguments: argparse.Namespace, log: console.Log) -> None:
    wanted = dict(arguments.experiments)
    drawn = redraw.draw(wanted, measurement.read(arguments.measurements), arguments.output, log.say)
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
        nargs="+",
        type=experiment,
        metavar="NAME=CODE",
        help="modules of knowledge_capacity.experiments, each with a fingerprint of its code",
    )
    parser.add_argument(
        "--measurements", required=True, type=Path, metavar="FILE", help="measurements.parquet"
    )
    parser.add_argument("--output", required=True, type=Path, metavar="FOLDER", help="where figures are")
    console.main(job, parser)
