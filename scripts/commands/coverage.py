"""How often 95 % intervals hold the truth, in studies made up with a known truth.

Each interval is found as a cell alone knows it, and with what other cells of its kind say. Writes coverage.json, from
which `make pages` renders the table of docs/measuring.md. Some ten minutes on two cores.
"""

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import _path  # noqa: F401 (first, so that the package is found)
from knowledge_capacity import console
from knowledge_capacity.files import write_json
from knowledge_capacity.statistics.coverage import SETTINGS, Setting, simulate_coverage

STUDIES, FITS = 100, 12


def run_job(arguments: argparse.Namespace, log: console.Log) -> None:
    found: list[dict[str, Any]] = []
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        parts = pool.map(_simulate, SETTINGS, [arguments.studies] * len(SETTINGS))
        for number, (setting, lines) in enumerate(zip(SETTINGS, parts, strict=True), 1):
            found += lines
            said = f"{setting.noise}, {setting.cells} cells, {setting.seeds} seeds"
            log.say(f"coverage: {number} of {len(SETTINGS)} settings ({said})")
    write_json(arguments.output, found)


def _simulate(setting: Setting, studies: int) -> list[dict[str, Any]]:
    return simulate_coverage(setting, studies, min(FITS, studies))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="coverage", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--studies", default=STUDIES, type=int, metavar="N", help="in each setting")
    parser.add_argument(
        "--output", default=Path("results/published/coverage.json"), type=Path, metavar="FILE"
    )
    console.main(run_job, parser)
