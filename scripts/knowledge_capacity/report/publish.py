"""Publishing measurements: adding them to those in a folder, and drawing all figures and the scorecard there anew."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from ..experiments import list_experiments
from ..files import UserError
from ..layout import MEASUREMENTS
from ..measurements import collecting, learning_rates, measurement_table, sources
from . import scorecard, writing


def publish_measurements(new: pa.Table, folder: Path, say: Callable[[str], None]) -> None:
    """Add measurements to those in a folder.

    Raises UserError where the two disagree; nothing is changed then.
    """
    published = folder / MEASUREMENTS
    tables = {"the new ones": new}
    if published.exists():
        tables = {"those published": measurement_table.read_measurements(published), **tables}
    table = sources.merge_tables(tables)
    table = learning_rates.mark_best_learning_rates(
        table.sort_by([("run", "ascending"), ("variant", "ascending")])
    )
    folder.mkdir(parents=True, exist_ok=True)
    measurement_table.write_measurements(published, table)
    say(f"publish: {table.num_rows} measurements in {folder}, {new.num_rows} of them in this study")
    wanted = collecting.read_experiment_names(published)
    for experiment in list_experiments():
        if experiment in wanted:
            try:
                writing.write_figure(experiment, table, folder / experiment, ["png", "md"])
            except UserError as error:  # the measurements are kept all the same
                say(f"publish: {error}")
    found = scorecard.scorecard_entries(table, list_experiments(), ".")
    scorecard.write_scorecard(found, folder / "scorecard", ["json", "md"])
    say(f"publish: {scorecard.describe_verdicts(found)}")
