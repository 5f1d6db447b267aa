"""Make the explorer: one page with all measurements of a study, and how far the study is.

It works from a folder of results while the study runs, and needs no network to be looked at.
"""

import argparse
import datetime
import json
import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from knowledge_capacity import console
from knowledge_capacity.files import UserError, atomic_write, read_parquet, remake_remedy
from knowledge_capacity.report import curves, explorer, facts, progress
from knowledge_capacity.study.study import Study

FILES = ("measurements.parquet", "extraction.parquet")  # of a run


def run_job(arguments: argparse.Namespace, log: console.Log) -> None:
    study = None
    if arguments.configfile:
        from knowledge_capacity.study import overlay_files  # only here: it loads what makes models

        study = overlay_files.make_study(
            overlay_files.merge_files(arguments.configfile), arguments.configfile
        )
    if not arguments.watch:
        write_page(arguments, study, log)
        return
    if not study:
        raise UserError(
            "--watch: only a study's configuration tells when all is done. Give --configfile as well."
        )
    with suppress(KeyboardInterrupt):
        while not try_write_page(arguments, study, log):
            time.sleep(arguments.watch)


def try_write_page(arguments: argparse.Namespace, study: Study, log: console.Log) -> bool:
    """As `write_page`, but a study under way may take a file away that is being read: the next time will do."""
    try:
        return write_page(arguments, study, log)
    except (OSError, UserError) as error:
        log.say(f"explorer: not made this time: {error}")
        return False


def write_page(arguments: argparse.Namespace, study: Study | None, log: console.Log) -> bool:
    """Write the page once, and whether it will stay as it is."""
    made = gather_content(arguments, study)
    with atomic_write(arguments.output) as aside:
        aside.write_text(explorer.render_page(made), encoding="utf-8")
    log.say(f"explorer: {len(made.rows):,} measurements in {arguments.output}")
    return not made.progress or made.progress.done


def gather_content(arguments: argparse.Namespace, study: Study | None) -> explorer.Content:
    """What the page shows of the results as they are now."""
    results: Path = arguments.results
    known = study if study and not study.sources else None  # such a study's runs are somebody else's
    wanted = known.runs if known else {}
    read, remarks = gather_measurements(arguments.measurements, results / "runs", wanted)
    rows = sorted(map(facts.describe_measurement, read), key=lambda row: (row["run"], row["variant"]))
    points, n_curves, n_trained = curves.read_curves(curves.describe_curves(rows, wanted), results / "runs")
    scorecard = read_scorecard(results / "scorecard.json")
    return explorer.Content(
        rows=rows,
        made=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d at %H:%M UTC"),
        progress=progress.compute_progress(wanted, progress.read_state(known, results)) if known else None,
        scorecard=scorecard,
        figures=figure_addresses(scorecard, results, arguments.output.parent),
        curves=points,
        n_curves=n_curves,
        n_trained=n_trained,
        remarks=remarks,
    )


def gather_measurements(
    table: Path, runs: Path, wanted: Iterable[str]
) -> tuple[list[dict[str, Any]], list[str]]:
    """All measurements, and remarks: the table's or, while there is none that is up to date, those of the runs.

    wanted: the runs of the study, if they are known; else those of all runs are taken.
    """
    folders = [runs / slug for slug in wanted] or sorted(runs.glob("*/*/*/seed*"))
    files = [path for folder in folders for name in FILES if (path := folder / name).exists()]
    if table.exists() and not (wanted and any(is_newer(file, table) for file in files)):
        return read_rows(table), []
    read, unreadable = [], []
    for file in files:
        try:
            read += read_rows(file)
        except UserError as error:
            unreadable.append(str(error))
    remark = f"From {len(files):,} files of the runs themselves, since {table} is not there or is older."
    return read, [remark, *unreadable]


def is_newer(a: Path, b: Path) -> bool:
    return a.stat().st_mtime > b.stat().st_mtime


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a file of measurements, of whatever version. Raises UserError for one that is damaged."""
    return list(read_parquet(path).to_pylist())


def read_scorecard(path: Path) -> list[dict[str, Any]]:
    """The scorecard; none where there is no such file."""
    if not path.exists():
        return []
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path}: this is not JSON ({error}). {remake_remedy(path)}") from error
    if not isinstance(found, list) or not all(isinstance(claim, dict) for claim in found):
        raise UserError(f"{path}: this is no list of claims. {remake_remedy(path)}")
    return found


def figure_addresses(scorecard: Iterable[Mapping[str, Any]], results: Path, page: Path) -> dict[str, str]:
    """By a claim's figure, the address of its picture, seen from the page's folder; of those there are."""
    found = {}
    for figure in {str(claim.get("figure") or "") for claim in scorecard} - {""}:
        for path in (results / figure, Path(figure)):
            if path.is_file():
                found[figure] = quote(os.path.relpath(path, page))
                break
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="explorer", description=__doc__)
    parser.add_argument(
        "--measurements",
        type=Path,
        default=Path("results/measurements.parquet"),
        metavar="FILE",
        help="of the study; the runs' own are taken while there is none (default: results/measurements.parquet)",
    )
    parser.add_argument(
        "--results", type=Path, default=Path("results"), metavar="FOLDER", help="default: results"
    )
    parser.add_argument(
        "--configfile",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="the study's configuration, to tell how far it is: config.yaml, and what is merged over it",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("results/explorer.html"),
        metavar="FILE",
        help="default: results/explorer.html",
    )
    parser.add_argument(
        "--watch",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="make it again so often until all is measured (default: 0, make it once; needs --configfile)",
    )
    console.main(run_job, parser)
