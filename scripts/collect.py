"""Collect the measurements of many runs into one table."""

import argparse
from pathlib import Path

import pyarrow as pa
from knowledge_capacity import console
from knowledge_capacity.capacity import measurement
from knowledge_capacity.files import write_parquet


def job(arguments: argparse.Namespace, log: console.Log) -> None:
    table = pa.concat_tables([measurement.read(file) for file in arguments.files])
    table = table.sort_by([("run", "ascending"), ("variant", "ascending")])
    write_parquet(arguments.output, table)
    log.write(f"{table.num_rows} measurements in {arguments.output}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="collect", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="measurements to collect")
    parser.add_argument("--output", required=True, type=Path, metavar="FILE", help="measurements.parquet")
    console.main(job, parser)
