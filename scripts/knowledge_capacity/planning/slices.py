"""Slices of a large study: what each wants, what is left of it to do, and what of that to make in a given time."""

import json
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from .. import layout
from ..costs.rates import Rates
from ..data.lengths import training_words
from ..measurements import collecting, measurement_table
from ..report import curves
from ..specs import Run
from ..study import overlay_files
from ..study.current import is_measured, is_trained
from ..study.study import Study
from ..verdicts.claims import LEAST_SEEDS
from .cells import Cells, read_cells, requested_seeds
from .choose import added_seconds, choose_runs
from .needs import ClaimNeed, PlannedCell, find_claim_needs
from .overlay import format_overlay

LEAST_SHARE = 0.01  # of a run that is hardly under way, or nearly done

Chosen = Mapping[PlannedCell, Sequence[int]]  # seeds of cells


@dataclass(frozen=True)
class Slice:
    """A slice of a study. overlays: the files it is merged from. seeds: those that it asks for, of each cell.

    wanted: by run, the variants that are to be measured, each for some experiments.
    """

    name: str
    overlays: tuple[Path, ...]
    study: Study
    cells: Cells
    seeds: dict[PlannedCell, list[int]]
    wanted: collecting.Asked

    @cached_property
    def needs(self) -> list[ClaimNeed]:
        """What its claims need, which takes seconds to find out."""
        return find_claim_needs(self.study, self.cells)


@dataclass(frozen=True)
class SliceState:
    """What there is of a slice. left: of each run, the share that is not trained yet, 0 where it has only to be
    measured, None where nothing is left to do. here: the runs whose measurements are here and up to date. lacking: runs
    that are published with fewer variants than are wanted, and whose weights are not here.
    """

    left: dict[str, float | None]
    here: set[str]
    lacking: set[str]

    def unfinished(self, seeds: Chosen) -> dict[PlannedCell, list[int]]:
        """Those of some seeds of which something is left to do."""
        return _select_seeds(seeds, lambda shares: any(share is not None for share in shares), self.left)

    def trained(self, seeds: Chosen) -> dict[PlannedCell, list[int]]:
        """Those of some seeds that have only to be measured."""
        return _select_seeds(seeds, lambda shares: 0.0 in shares and set(shares) <= {0.0, None}, self.left)

    def under_way(self, seeds: Chosen) -> dict[PlannedCell, list[int]]:
        """Those of some seeds whose training has begun."""
        return _select_seeds(seeds, lambda shares: any(0 < (share or 0) < 1 for share in shares), self.left)

    def seconds(self, seeds: Chosen) -> float:
        """What is left of some seeds takes, one cell after the other."""
        return sum(sum(added_seconds(cell, own, self.left).values()) for cell, own in seeds.items())


def read_slice(overlays: Sequence[Path], rates: Rates) -> Slice:
    """Raises UserError for files that make no sound study."""
    study = overlay_files.make_study(*overlay_files.read_configuration(overlays))
    cells = read_cells(study, rates)
    wanted = collecting.parse_requests(json.dumps(study.asked()))
    return Slice(overlays[-1].stem, tuple(overlays), study, cells, requested_seeds(study, cells), wanted)


@contextmanager
def temporary_study(slice_: Slice, chosen: Chosen) -> Iterator[tuple[list[Path], Study]]:
    """The overlays, and the study, of some seeds of a slice's cells, as long as they are needed."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "chosen.yaml"
        file.write_text(format_overlay(slice_.study, slice_.cells, chosen), encoding="utf-8")
        overlays = [*slice_.overlays, file]
        yield overlays, overlay_files.make_study(*overlay_files.read_configuration(overlays))


def exclude_runs(slice_: Slice, runs: Collection[str]) -> Slice:
    """A slice without the seeds of these runs."""
    if not slice_.wanted.keys() & set(runs):
        return slice_
    kept = _select_seeds(slice_.seeds, all, {run: float(run not in runs) for run in slice_.wanted})
    return replace(slice_, seeds={cell: kept.get(cell, []) for cell in slice_.seeds})


def read_state(slice_: Slice, published: pa.Table | None) -> SliceState:
    """What there is of a slice. published: measurements; their runs are not made again."""
    known: dict[str, set[str]] = {}
    for row in published.select(["run", "variant", "diverged"]).to_pylist() if published else ():
        variants = set(slice_.wanted.get(row["run"], ())) if row["diverged"] else {row["variant"]}
        known.setdefault(row["run"], set()).update(variants)
    state = SliceState({run: None if run in known else 1.0 for run in slice_.wanted}, set(), set())
    for slug, wanted in slice_.wanted.items():
        run = slice_.study.runs[slug]
        share = share_left(run)
        if share == 0:
            measured = is_measured(slice_.study, run, layout.RESULTS)
            state.here.update({slug} if measured else ())
            state.left[slug] = None if measured else 0.0
        elif slug in known:
            state.lacking.update({slug} if wanted.keys() - known[slug] else ())
        else:
            state.left[slug] = share
    return state


def share_left(run: Run) -> float:
    """The share of a run that is not trained yet: 0 where it is there, and would not be trained again."""
    folder = layout.RESULTS / layout.run_folder(run)
    records = (folder / "run.json", folder / layout.FINISHED / "run.json")
    if any(file.is_file() for file in records) and is_trained(run, layout.RESULTS):
        return 0.0
    if begun := curves.read_checkpoint(folder):
        rest = 1 - begun["tokens"] / training_words(run.dataset, run.recipe)
        return min(max(rest, LEAST_SHARE), 1 - LEAST_SHARE)
    return 1.0


def choose_fitting_seeds(
    slice_: Slice, state: SliceState, seconds: float, at_once: int
) -> tuple[Chosen, float]:
    """The seeds that tell most of those that can be made in so many seconds, and what they take at most."""
    plan = choose_runs(slice_.needs, slice_.seeds, seconds, at_once, state.left, whole=False)
    return state.unfinished(plan.seeds), plan.seconds


def choose_starting_seeds(slice_: Slice, state: SliceState, at_once: int) -> Chosen:
    """Two seeds of each of so many cells: of those under way, then of those that take least."""
    cells = {cell: own[:LEAST_SEEDS] for cell, own in state.unfinished(slice_.seeds).items()}
    begun = state.under_way(cells)
    order = sorted(cells, key=lambda cell: (cell not in begun, state.seconds({cell: cells[cell]})))
    return {cell: cells[cell] for cell in order[:at_once]}


def collect_rows(slice_: Slice, state: SliceState, published: pa.Table | None) -> pa.Table:
    """The measurements that a slice asks for, of those that are here and of those published."""
    table = collecting.collect_measurements(
        {run: slice_.wanted[run] for run in sorted(state.here)}, layout.RESULTS / "runs"
    )
    rows = [row for row in published.to_pylist() if row["run"] not in state.here] if published else []
    for row in rows:
        row["experiments"] = slice_.wanted.get(row["run"], {}).get(row["variant"], [])
    kept = [row for row in rows if row["experiments"]]
    return pa.concat_tables([table, measurement_table.build_table(kept)])


def run_slugs(seeds: Chosen) -> list[str]:
    """The slugs of the runs of some seeds of cells."""
    return [run.slug for cell, own in seeds.items() for seed in own for run in cell.with_seed(seed)]


def _select_seeds(
    seeds: Chosen, holds: Callable[[list[float | None]], bool], of: Mapping[str, float | None]
) -> dict[PlannedCell, list[int]]:
    """The seeds of whose runs something holds."""
    found = {
        cell: [seed for seed in own if holds([of[run.slug] for run in cell.with_seed(seed)])]
        for cell, own in seeds.items()
    }
    return {cell: own for cell, own in found.items() if own}
