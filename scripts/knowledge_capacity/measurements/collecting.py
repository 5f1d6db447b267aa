"""What a study asks for, and the measurements of its runs, each with the experiments that ask for it."""

import json
from itertools import product
from pathlib import Path
from typing import Any

import pyarrow as pa

from ..specs import FULL_PRECISION
from .measurement_table import SCHEMA, read_measurements

Asked = dict[str, dict[str, list[str]]]  # by run and variant, the experiments


def parse_requests(text: str) -> Asked:
    """What `Study.asked` wrote as JSON."""
    found: Asked = {}
    for experiment, spec in json.loads(text).items():
        for dataset, architectures, recipes, seeds in spec["grids"]:
            for architecture, recipe, seed in product(architectures, recipes, seeds):
                run = found.setdefault(f"{dataset}/{architecture}/{recipe}/seed{seed}", {})
                for variant in [*spec["variants"], *spec.get("snapshots", {}).get(recipe, ())]:
                    experiments = run.setdefault(variant, [])
                    if experiment not in experiments:
                        experiments.append(experiment)
    return found


def collect_measurements(asked: Asked, runs: Path) -> pa.Table:
    """The measurements of all runs in the folder `runs`, with `experiments` filled in.

    Of each run, the variants that are asked for and the model as trained: its files may hold more, for other studies.
    """
    rows: list[dict[str, Any]] = []
    for run, variants in asked.items():
        found = read_measurements(runs / run / "measurements.parquet").to_pylist()
        answers = runs / run / "extraction.parquet"
        if not variants.keys() <= {row["variant"] for row in found} and answers.exists():
            found += read_measurements(answers).to_pylist()
        rows += [
            {**row, "experiments": variants.get(row["variant"], [])}
            for row in found
            if row["variant"] in variants or row["variant"] == FULL_PRECISION
        ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def read_experiment_names(path: Path) -> set[str]:
    """The experiments that the measurements in a file are for."""
    column = read_measurements(path)["experiments"].to_pylist()
    return {name for names in column for name in names or ()}
