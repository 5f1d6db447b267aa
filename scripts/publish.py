"""Add a study's measurements to the published ones, and draw all figures and the scorecard from these anew."""

import argparse
from pathlib import Path

from knowledge_capacity import console
from knowledge_capacity.capacity import asked, measurement, places, selection, sources
from knowledge_capacity.experiments import experiment_modules, output
from knowledge_capacity.files import UserError, write_parquet
from knowledge_capacity.report import scorecard


def job(arguments: argparse.Namespace, log: console.Log) -> None:
    folder: Path = arguments.output
    published, new = folder / places.NAME, measurement.read(arguments.measurements)
    tables = {"the new ones": new}
    if published.exists():
        tables = {"those published": measurement.read(published), **tables}
    table = sources.merged(tables)
    table = selection.marked(table.sort_by([("run", "ascending"), ("variant", "ascending")]))
    write_parquet(published, table)
    log.say(f"publish: {table.num_rows} measurements, {new.num_rows} of them in this study")
    wanted = asked.experiments_in(published)
    for experiment in experiment_modules():
        if experiment in wanted:
            try:
                output.write(experiment, table, folder / experiment, ["png"])
            except UserError as error:  # the measurements are kept all the same
                log.say(f"publish: {error}")
    found = scorecard.entries(table, experiment_modules(), ".")
    scorecard.write(found, folder / "scorecard", ["json", "md"])
    log.say(f"publish: {scorecard.tally(found)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="publish", description=__doc__)
    parser.add_argument("measurements", type=Path, metavar="FILE", help="measurements.parquet of a study")
    parser.add_argument("--output", required=True, type=Path, metavar="FOLDER", help="results/published")
    console.main(job, parser)
