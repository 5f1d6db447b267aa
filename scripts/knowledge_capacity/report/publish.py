"""Publishing measurements: adding them to those in a folder, and drawing all figures and the scorecard there anew."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from ..capacity import asked, measurement, places, selection, sources
from ..experiments import experiment_modules, output
from ..files import UserError, write_parquet
from . import scorecard


def publish(new: pa.Table, folder: Path, say: Callable[[str], None]) -> None:
    """Add measurements to those in a folder.

    Raises UserError where the two disagree; nothing is changed then.
    """
    published = folder / places.NAME
    tables = {"the new ones": new}
    if published.exists():
        tables = {"those published": measurement.read(published), **tables}
    table = sources.merged(tables)
    table = selection.marked(table.sort_by([("run", "ascending"), ("variant", "ascending")]))
    folder.mkdir(parents=True, exist_ok=True)
    write_parquet(published, table)
    say(f"publish: {table.num_rows} measurements in {folder}, {new.num_rows} of them in this study")
    wanted = asked.experiments_in(published)
    for experiment in experiment_modules():
        if experiment in wanted:
            try:
                output.write(experiment, table, folder / experiment, ["png", "md"])
            except UserError as error:  # the measurements are kept all the same
                say(f"publish: {error}")
    found = scorecard.entries(table, experiment_modules(), ".")
    scorecard.write(found, folder / "scorecard", ["json", "md"])
    say(f"publish: {scorecard.tally(found)}")
