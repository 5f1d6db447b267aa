"""Add a study's measurements to the published ones, and draw all figures and the scorecard from these anew."""

import argparse
from pathlib import Path

from knowledge_capacity import console
from knowledge_capacity.measurements import measurement_table
from knowledge_capacity.report.publish import publish_measurements


def run_job(arguments: argparse.Namespace, log: console.Log) -> None:
    publish_measurements(
        measurement_table.read_measurements(arguments.measurements), arguments.output, log.say
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="publish", description=__doc__)
    parser.add_argument("measurements", type=Path, metavar="FILE", help="measurements.parquet of a study")
    parser.add_argument("--output", required=True, type=Path, metavar="FOLDER", help="results/published")
    console.main(run_job, parser)
