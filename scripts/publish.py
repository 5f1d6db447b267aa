"""Add a study's measurements to the published ones, and draw all figures and the scorecard from these anew."""

import argparse
from pathlib import Path

import pyarrow.compute as pc
from knowledge_capacity import console
from knowledge_capacity.measurements import measurement_table
from knowledge_capacity.report.publish import publish_measurements


def run_job(arguments: argparse.Namespace, log: console.Log) -> None:
    new = measurement_table.read_measurements(arguments.measurements)
    if arguments.busy:
        index = new.schema.get_field_index("device")
        devices = pc.binary_join_element_wise(new["device"], measurement_table.BUSY, "")
        new = new.set_column(index, new.schema.field(index), devices)
    publish_measurements(new, arguments.output, log.say)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="publish", description=__doc__)
    parser.add_argument("measurements", type=Path, metavar="FILE", help="measurements.parquet of a study")
    parser.add_argument("--output", required=True, type=Path, metavar="FOLDER", help="results/published")
    parser.add_argument(
        "--busy",
        action="store_true",
        help="the machine did other work meanwhile, so that the seconds of these runs tell nothing of its speed",
    )
    console.main(run_job, parser)
