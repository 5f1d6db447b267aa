"""Drawing an experiment: its figure in three formats and the table of its numbers."""

import html
import textwrap
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.figure import Figure

from ..experiments._contract import load_experiment
from ..figures import style
from ..files import UserError, atomic_write
from ..measurements import learning_rates
from ..specs import Snapshot
from ..statistics.spread import join_spreads, learn_spreads

# metadata that would otherwise hold the date, so that equal measurements give equal files
UNDATED = {"png": {"Software": None}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}

ENDINGS = (*UNDATED, "md", "html")


def write_figure(
    experiment: str, measurements: pa.Table, output: Path, endings: Sequence[str] = ENDINGS
) -> None:
    """Write the figure and its numbers for the experiment of that name: `output` with each of the endings.

    Where measurements do not tell what a figure is about, such as a capacity with two ends, it says so if its module
    has words for that. Raises UserError where they hold nothing for the experiment.
    """
    module = load_experiment(experiment)
    rows = experiment_rows(experiment, measurements)
    points = module.select_points(rows) if len(rows) else rows
    if module.nothing and len(rows) and points.empty:
        write_text_figure(experiment, module.nothing, output, endings)
        return
    if points.empty:
        remedy = "Every run is in the measurements; the experiment `comparison` shows models of any kind."
        raise UserError(f"{experiment}: there is no measurement of what this figure shows. {remedy}")
    figure, said, table = (
        module.draw_figure(points),
        module.describe_figure(points),
        module.tabulate_points(points),
    )
    _write_files(experiment, figure, said, table, output, endings)


def write_text_figure(experiment: str, said: str, output: Path, endings: Sequence[str] = ENDINGS) -> None:
    """As `write_figure`, a figure of words, without numbers."""
    style.apply_style()
    figure = plt.figure(figsize=(style.COLUMN, 0.4 * style.COLUMN), layout="none")
    figure.text(0.5, 0.5, textwrap.fill(said, 50), ha="center", va="center")
    _write_files(experiment, figure, said, pd.DataFrame(), output, endings)


def experiment_rows(
    experiment: str, measurements: pa.Table, spreads: pd.DataFrame | None = None
) -> pd.DataFrame:
    """What an experiment shows, with the columns of `add_columns` and what all measurements say of their spread.

    spreads: of `learn_spreads` of these measurements, where they are known already.
    """
    rows = select_experiment_measurements(experiment, measurements).to_pandas()
    return join_spreads(rows, learn_spreads(measurements.to_pandas()) if spreads is None else spreads)


def select_experiment_measurements(experiment: str, measurements: pa.Table) -> pa.Table:
    """The measurements that an experiment asks for; those that no study collected count for all.

    Of the learning rates that it asks for, the best counts. Runs that diverged are left out. So are answers and weights
    on the way, unless the experiment is about them.
    """
    rows = learning_rates.select_experiment_runs(measurements, experiment)
    usable = pc.and_(
        learning_rates.requested_mask(rows, experiment),
        pc.and_(pc.is_null(rows["diverged"]), rows["lr_best"]),
    )
    module = load_experiment(experiment)
    if not module.shows_answers:
        usable = pc.and_(usable, pc.is_null(rows["accuracy_by_attribute"]))
    if not module.shows_snapshots:
        specs = rows["variant_spec"].to_pylist()
        usable = pc.and_(usable, pa.array([not Snapshot.is_spec_of(spec) for spec in specs], pa.bool_()))
    return rows.filter(usable)


def _write_files(
    experiment: str, figure: Figure, said: str, table: pd.DataFrame, output: Path, endings: Sequence[str]
) -> None:
    _save_figure(figure, output, [ending for ending in UNDATED if ending in endings])
    texts = {"md": _format_markdown(said, table), "html": _format_page(experiment, said, table)}
    for ending, text in texts.items():
        if ending in endings:
            with atomic_write(output.with_suffix(f".{ending}")) as aside:
                aside.write_text(text, encoding="utf-8")


def _save_figure(figure: Figure, output: Path, endings: Sequence[str]) -> None:
    """Write a figure in these formats, all with one layout, since finding that takes as long as drawing; close it."""
    with plt.rc_context({"figure.constrained_layout.use": False}):
        figure.set_dpi(plt.rcParams["savefig.dpi"])
        if engine := figure.get_layout_engine():
            engine.execute(figure)
        figure.set_layout_engine(None)
        for ending in endings:
            with atomic_write(output.with_suffix(f".{ending}")) as aside:
                figure.savefig(aside, format=ending, metadata=UNDATED[ending])
    plt.close(figure)


def _format_markdown(said: str, table: pd.DataFrame) -> str:
    if table.empty:
        return f"{said}\n"
    rows = [list(table.columns), ["---"] * len(table.columns), *table.astype(str).to_numpy().tolist()]
    return f"{said}\n\n" + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _format_page(experiment: str, said: str, table: pd.DataFrame) -> str:
    """The numbers as a page, for those who read no Markdown."""
    shown = "" if table.empty else table.to_html(index=False, border=0)
    return PAGE.format(title=html.escape(experiment), said=html.escape(said), table=shown)


PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}: numbers</title>
<style>
body {{ font: 14px/1.45 system-ui, sans-serif; margin: 1.5rem; color: #222; background: #fff; }}
p {{ max-width: 60rem; }}
div {{ overflow-x: auto; }}
table {{ border-collapse: collapse; }}
th, td {{ text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #ddd; white-space: nowrap; }}
</style>
<h1>{title}</h1>
<p>{said}</p>
<div>{table}</div>
</html>
"""
