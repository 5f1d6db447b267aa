"""Drawing an experiment: its figure in three formats and the table of its numbers."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import matplotlib.pyplot as plt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ..capacity import families
from ..files import UserError, replacing
from . import plots

# metadata that would otherwise hold the date, so that equal measurements give equal files
UNDATED = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {"Software": None}}


def write(
    experiment: str, measurements: pa.Table, output: Path, endings: Sequence[str] = tuple(UNDATED)
) -> None:
    """Write the figure, `output`.pdf, .svg and .png, and its numbers, .md, for the experiment of that module name.

    Raises UserError when the measurements hold nothing for it.
    """
    module = module_of(experiment)
    points = module.points(rows_of(experiment, measurements))
    if points.empty:
        remedy = "Every run is in the measurements; the experiment `comparison` shows models of any kind."
        raise UserError(f"{experiment}: there is no measurement of what this figure shows. {remedy}")
    figure = module.figure(points)
    for ending in endings:
        with replacing(output.with_suffix(f".{ending}")) as aside:
            figure.savefig(aside, format=ending, metadata=UNDATED[ending])
    plt.close(figure)
    with replacing(output.with_suffix(".md")) as aside:
        said = getattr(module, "caption", plots.caption)(points)
        aside.write_text(f"{said}\n\n{_markdown(getattr(module, 'summary', plots.summary)(points))}")


def module_of(experiment: str) -> ModuleType:
    """The module of an experiment, found by name: so a change of one figure draws no other again."""
    return importlib.import_module(f"{__package__}.{experiment}")


def rows_of(experiment: str, measurements: pa.Table) -> pd.DataFrame:
    """The measurements that an experiment asks for, with `design`; those that no study collected count for all.

    Runs that diverged, and those whose learning rate was not the best of those tried, are left out; so are answers,
    but where the experiment is about them.
    """
    usable = pc.and_(pc.is_null(measurements["diverged"]), pc.fill_null(measurements["lr_best"], True))
    if not getattr(module_of(experiment), "SHOWS_ANSWERS", False):
        usable = pc.and_(usable, pc.is_null(measurements["accuracy_by_attribute"]))
    rows = measurements.filter(usable)
    asked = [names is None or experiment in names for names in rows["experiments"].to_pylist()]
    return families.named(rows.filter(pa.array(asked, pa.bool_())).to_pandas())


def _markdown(table: pd.DataFrame) -> str:
    rows = [list(table.columns), ["---"] * len(table.columns), *table.astype(str).to_numpy().tolist()]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
