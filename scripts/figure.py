"""Draw the figure of one experiment from the measurements, and write the table of its numbers."""

import argparse
from pathlib import Path

from knowledge_capacity import console
from knowledge_capacity.capacity import measurement
from knowledge_capacity.experiments import output


def job(arguments: argparse.Namespace, log: console.Log) -> None:
    output.write(arguments.experiment, measurement.read(arguments.measurements), arguments.output)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="figure", description=__doc__)
    parser.add_argument("--experiment", required=True, help="a module of knowledge_capacity.experiments")
    parser.add_argument(
        "--measurements", required=True, type=Path, metavar="FILE", help="measurements.parquet"
    )
    parser.add_argument(
        "--output", required=True, type=Path, metavar="PATH", help="where to, without an ending"
    )
    console.main(job, parser)
