"""Render the blocks of README.md and docs/ that follow from the published results."""

import argparse
from pathlib import Path

import _path  # noqa: F401 (first, so that the package is found)
from knowledge_capacity import console
from knowledge_capacity.report.pages import update_pages
from knowledge_capacity.report.published import Results
from knowledge_capacity.study import overlay_files


def run_job(arguments: argparse.Namespace, log: console.Log) -> None:
    study = overlay_files.make_study(*overlay_files.read_configuration([]))
    results = Results(arguments.published, frozenset(study.runs))
    pages = arguments.pages or [Path("README.md"), *sorted(Path("docs").glob("*.md"))]
    if changed := update_pages(pages, results):
        log.say(f"pages: rendered {', '.join(map(str, changed))}")
    else:
        log.say("pages: all are current")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="pages", description=__doc__)
    parser.add_argument(
        "pages", nargs="*", type=Path, metavar="FILE", help="pages (default: README.md and docs/*.md)"
    )
    parser.add_argument(
        "--published",
        default=Path("results/published"),
        type=Path,
        metavar="FOLDER",
        help="where the results are (default: results/published)",
    )
    console.main(run_job, parser)
