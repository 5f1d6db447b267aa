"""Checkpoints from elsewhere, taken in and measured as the workflow does it."""

from pathlib import Path
from typing import Any

import pytest
from helpers.run_script import run_script
from knowledge_capacity import layout
from knowledge_capacity.data import people
from knowledge_capacity.measurements import measurement_table
from knowledge_capacity.specs import Checkpoint, Dataset, Recipe, Run, cell_to_json


def adopt_and_measure(
    folder: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch, *more: str
) -> dict[str, Any]:
    """The measurement of a checkpoint with its tokenizer. Results come to a folder beside it.

    more: options of the script that measures. Fails where a script does.
    """
    run = Run(dataset, Checkpoint(str(folder)), Recipe(exposures=2, lr=1e-3, window=64), seed=0)
    results = folder.with_name(f"{folder.name}-results")
    people.write_people(results / layout.people_file(dataset, 0), dataset, 0)
    options = ["--cell", cell_to_json([run]), "--results", str(results), "--device", "cpu"]
    assert run_script("train", monkeypatch, *options) == 0, "train failed"
    assert run_script("measure", monkeypatch, *options, *more) == 0, "measure failed"
    (row,) = measurement_table.read_measurements(results / layout.measurements_file(run)).to_pylist()
    return dict(row)
