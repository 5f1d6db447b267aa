"""Training curves: the loss of each run over its tokens, thinned for a chart with logarithmic axes."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from ..files import read_parquet
from ..specs import Run

MOST_POINTS = 40
MOST_RUNS = 300
POINT = ("step", "tokens", "loss")


def read_checkpoint(folder: Path) -> dict[str, Any] | None:
    """How far a run has come that is not trained yet: what its checkpoint says, without its tensors."""
    try:
        with safe_open(folder / "checkpoint.safetensors", framework="numpy") as file:
            return dict(json.loads(file.metadata()["progress"]))
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return None  # there is none, or training has just replaced it


def read_training_log(folder: Path) -> list[dict[str, float]]:
    """The log of a run's training, or as much of it as its checkpoint has; empty where there is neither.

    Raises UserError for one that is damaged.
    """
    path = folder / "training.parquet"
    if not path.exists():
        found = read_checkpoint(folder)
        return found["log"] if found else []
    table = read_parquet(path)
    return table.select(POINT).to_pylist() if set(POINT) <= set(table.column_names) else []


def thin_points(points: Sequence[Mapping[str, float]]) -> list[dict[str, float]]:
    """Of the points that logarithmic axes can show, the first, the last, and some evenly between these."""
    drawn = [
        {name: point[name] for name in POINT}
        for point in points
        if math.isfinite(point["loss"]) and point["loss"] > 0
    ]
    if len(drawn) <= MOST_POINTS:
        return drawn
    places = np.unique(np.geomspace(1, len(drawn), MOST_POINTS).round().astype(int)) - 1
    return [drawn[place] for place in places]


def describe_curves(rows: Sequence[dict[str, Any]], wanted: Mapping[str, Run]) -> dict[str, dict[str, Any]]:
    """By run, what its curve is chosen and coloured by. rows: of `facts`; wanted: runs perhaps not measured."""
    found = {
        slug: {
            "run": slug,
            "dataset": run.dataset.slug,
            "family": run.architecture.family,
            "exposures": f"{run.recipe.exposures:,}",
            "people": f"{run.dataset.n_people:,}",
            "n": run.dataset.n_people,
        }
        for slug, run in wanted.items()
    }
    keys = ("run", "dataset", "family", "exposures", "people", "n")
    return found | {row["run"]: {key: row[key] for key in keys} for row in rows}


def read_curves(runs: Mapping[str, dict[str, Any]], folder: Path) -> tuple[list[dict[str, Any]], int, int]:
    """A row for each point of each curve, how many curves these are, and how many there would be.

    runs: of `describe_curves`. folder: results/runs. Of too many runs, some are left out, evenly over the list.
    """
    there = [
        slug
        for slug in sorted(runs)
        if any((folder / slug / name).exists() for name in ("training.parquet", "checkpoint.safetensors"))
    ]
    step = max(1.0, len(there) / MOST_RUNS)
    drawn = [there[int(i * step)] for i in range(min(MOST_RUNS, len(there)))]
    points = {slug: thin_points(read_training_log(folder / slug)) for slug in drawn}
    rows = [{**runs[slug], **point} for slug, found in points.items() for point in found]
    return rows, sum(map(bool, points.values())), len(there)
