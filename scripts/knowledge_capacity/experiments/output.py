"""Drawing an experiment: its figure in three formats and the table of its numbers."""

import importlib
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ..files import UserError, replacing
from . import plots

# metadata that would otherwise hold the date, so that equal measurements give equal files
UNDATED = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {"Software": None}}


def write(experiment: str, measurements: pa.Table, output: Path) -> None:
    """Write `output`.pdf, .svg, .png and .md for the experiment of that module name.

    Runs that diverged, and those whose learning rate was not the best of those tried, are left out.
    Raises UserError when the measurements hold nothing for it.
    """
    module = importlib.import_module(f"{__package__}.{experiment}")
    usable = pc.and_(pc.is_null(measurements["diverged"]), measurements["lr_best"])
    if not getattr(module, "SHOWS_ANSWERS", False):
        usable = pc.and_(usable, pc.is_null(measurements["accuracy_by_attribute"]))
    points = module.points(measurements.filter(usable).to_pandas())
    if points.empty:
        remedy = "Every run is in the measurements; the experiment `comparison` shows models of any kind."
        raise UserError(f"{experiment}: there is no measurement of what this figure shows. {remedy}")
    figure = module.figure(points)
    for ending, metadata in UNDATED.items():
        with replacing(output.with_suffix(f".{ending}")) as aside:
            figure.savefig(aside, format=ending, metadata=metadata)
    plt.close(figure)
    with replacing(output.with_suffix(".md")) as aside:
        aside.write_text(_markdown(getattr(module, "summary", plots.summary)(points)))


def _markdown(table: pd.DataFrame) -> str:
    rows = [list(table.columns), ["---"] * len(table.columns), *table.astype(str).to_numpy().tolist()]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
