"""Judge the claims of the paper by the measurements there are: a scorecard for people and machines."""

import argparse
from pathlib import Path

from knowledge_capacity import console
from knowledge_capacity.capacity import measurement
from knowledge_capacity.experiments import experiment_modules
from knowledge_capacity.report import scorecard


def job(arguments: argparse.Namespace, log: console.Log) -> None:
    found = scorecard.entries(
        measurement.read(arguments.measurements), experiment_modules(), arguments.figures
    )
    scorecard.write(found, arguments.output, ["json", "md", "html"])
    log.say(f"scorecard: {scorecard.tally(found)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="scorecard", description=__doc__)
    parser.add_argument(
        "--measurements", required=True, type=Path, metavar="FILE", help="measurements.parquet"
    )
    parser.add_argument(
        "--figures", default="figures", help="where the figures are, from the scorecard (default: figures)"
    )
    parser.add_argument(
        "--output", required=True, type=Path, metavar="PATH", help="where to, without an ending"
    )
    console.main(job, parser)
