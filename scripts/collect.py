"""Collect the measurements of many runs into one table."""

import argparse
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from knowledge_capacity import console
from knowledge_capacity.capacity import measurement, selection
from knowledge_capacity.files import write_parquet


def job(arguments: argparse.Namespace, log: console.Log) -> None:
    table = pa.concat_tables([measurement.read(file) for file in arguments.files])
    table = selection.marked(table.sort_by([("run", "ascending"), ("variant", "ascending")]))
    write_parquet(arguments.output, table)
    for row in table.filter(pc.is_valid(table["diverged"])).to_pylist():
        log.say(f"collect: {row['run']} has no result: {row['diverged']}")
    log.write(f"{table.num_rows} measurements in {arguments.output}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="collect", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="measurements to collect")
    parser.add_argument("--output", required=True, type=Path, metavar="FILE", help="measurements.parquet")
    console.main(job, parser)
