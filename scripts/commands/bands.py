"""Whether the cells of a study lie where the published ones let expect them.

Compares the mean R of each cell, as trained, with the band that follows from the published seeds. Runs that are the
published ones themselves do not count. docs/troubleshooting.md says what to do where cells lie outside.
"""

import argparse
from pathlib import Path

import _path  # noqa: F401 (first, so that the package is found)
from knowledge_capacity import console, layout
from knowledge_capacity.measurements import filters, measurement_table
from knowledge_capacity.measurements.locations import PUBLISHED
from knowledge_capacity.statistics.bands import describe_bands


def run_job(arguments: argparse.Namespace, log: console.Log) -> None:
    rows = measurement_table.read_measurements(arguments.measurements).to_pandas()
    if not arguments.published.exists():
        print(
            f"{arguments.published}: there is no such file, so there is nothing to compare this study with."
        )
        return
    published = measurement_table.read_measurements(arguments.published, f"source {PUBLISHED}").to_pandas()
    for line in describe_bands(rows, published):
        print(line)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="bands", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    filters.add_measurements_argument(parser)
    parser.add_argument(
        "--published",
        default=layout.RESULTS / PUBLISHED / layout.MEASUREMENTS,
        type=Path,
        metavar="FILE",
        help="measurements that say where cells should lie; default: results/published/measurements.parquet",
    )
    console.main(run_job, parser)
