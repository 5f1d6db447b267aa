"""Collect measurements into one table: those of a study's runs, or those of published and other sources."""

import argparse
from pathlib import Path

import pyarrow.compute as pc
from knowledge_capacity import console
from knowledge_capacity.measurements import collecting, learning_rates, measurement_table, sources


def run_job(arguments: argparse.Namespace, log: console.Log) -> None:
    if arguments.asked:
        table = collecting.collect_measurements(
            collecting.parse_requests(arguments.asked), arguments.results / "runs"
        )
    else:
        table = sources.merge_tables(
            {name: sources.read_source(name, arguments.results) for name in arguments.sources}
        )
    table = learning_rates.mark_best_learning_rates(
        table.sort_by([("run", "ascending"), ("variant", "ascending")])
    )
    measurement_table.write_measurements(arguments.output, table)
    for row in table.filter(pc.is_valid(table["diverged"])).to_pylist():
        log.say(f"collect: {row['run']} has no result: {row['diverged']}")
    log.write(f"{table.num_rows} measurements in {arguments.output}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="collect", description=__doc__)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--asked", metavar="JSON", help="what the study asks of its runs in results/runs")
    which.add_argument(
        "--sources",
        nargs="+",
        metavar="SOURCE",
        help="published (results/published), files of measurements, folders with measurements.parquet, "
        "or https addresses of either",
    )
    parser.add_argument("--results", required=True, type=Path, metavar="FOLDER", help="the folder of results")
    parser.add_argument("--output", required=True, type=Path, metavar="FILE", help="measurements.parquet")
    console.main(run_job, parser)
