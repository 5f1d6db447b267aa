"""A choice of runs as a study of its own: an overlay, to be merged over the files that it was chosen from."""

from collections.abc import Collection, Mapping, Sequence
from itertools import product
from typing import Any

import yaml

from ..study.study import Study
from .cells import Cells
from .needs import PlannedCell

HEAD = "# Written by the planner. Merged over the files that were planned from.\n"


def format_overlay(
    study: Study, cells: Cells, seeds: Mapping[PlannedCell, Sequence[int]], idle: Collection[str] = ()
) -> str:
    """The YAML of a study of these seeds of its cells. idle: experiments that are left out."""
    experiments: dict[str, Any] = dict.fromkeys(study.config.experiments)
    for name, spec in study.experiments.items():
        if name in idle:
            continue
        grids: dict[tuple[str, str, tuple[int, ...]], list[str]] = {}
        for grid in spec.grids:
            for d, r, a in product(grid.datasets, grid.recipes, grid.architectures):
                own = seeds.get(cells[study.model(d, a, r, 0)], ())
                models = grids.setdefault((d, r, tuple(own)), [])
                if a not in models:
                    models.append(a)
        made = [
            {"datasets": [d], "architectures": models, "recipes": [r], "seeds": list(own)}
            for (d, r, own), models in grids.items()
            if own
        ]
        if made:
            every = sorted({seed for _, _, own in grids for seed in own})
            experiments[name] = {"seeds": every, "variants": list(spec.variants), "grids": made}
    return HEAD + yaml.safe_dump(
        {"only": None, "experiments": experiments}, sort_keys=False, width=120, default_flow_style=None
    )
