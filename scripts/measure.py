"""Measure the bits of knowledge in every variant of a cell's runs.

Measurements that were made from the very weights, variants, data and code are left as they are, and so are those of
further variants.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from knowledge_capacity import console, devices, kept, layout
from knowledge_capacity.cells import process_each_run
from knowledge_capacity.measurements import measurement_table
from knowledge_capacity.measuring import result_row, scoring
from knowledge_capacity.measuring.trained_run import TrainedRun
from knowledge_capacity.models import store
from knowledge_capacity.quantization import further, variants
from knowledge_capacity.specs import FULL_PRECISION, Run, parse_cell, to_json


def run_job(arguments: argparse.Namespace, log: console.Log) -> None:
    with devices.hold_device(arguments) as device:
        process_each_run(
            parse_cell(arguments.cell), lambda run: measure_run(run, arguments, log, device), log
        )


def measure_run(run: Run, arguments: argparse.Namespace, log: console.Log, device: str) -> None:
    """Write the measurements of one run, unless they are there."""
    results: Path = arguments.results
    output = results / layout.measurements_file(run)
    files = [file for file in arguments.variants if file.parent.parent == output.parent]
    methods = [file.stem for file in files]
    there = further.methods_measured(run, results, methods)
    scored, code = arguments.scored_people, arguments.code
    if kept.is_table_current(output, kept.measurements_provenance(run, results, there, scored, code)):
        kept.touch_files([output])
        log.write(f"capacity {run.slug}: these measurements are there")
        return
    made_from = kept.measurements_provenance(run, results, methods, scored, code)
    rows = measure_variants(TrainedRun.read(run, results), files, arguments, log, device)
    measurement_table.write_measurements(
        output, measurement_table.build_table(rows), kept.provenance_metadata(made_from)
    )


def measure_variants(
    subject: TrainedRun, files: list[Path], arguments: argparse.Namespace, log: console.Log, device: str
) -> list[dict[str, Any]]:
    """A row for the run as trained, for each of its variants, and for its weights on the way. files: of variants."""
    run, record = subject.run, subject.record
    try:
        weights = store.read_weights(subject.source)
    except store.Diverged:
        log.say(f"capacity {run.slug}: no result, since {record['diverged']}")
        return [result_row.diverged_row(run, record, subject.n_parameters_when_new(), arguments.code)]

    n_people = arguments.scored_people or run.dataset.n_people
    if too_long := scoring.share_beyond_window(subject.stream, run.recipe.window, n_people):
        log.say(
            f"capacity {run.slug}: {too_long:z.1%} of the texts are longer than a window of training, "
            f"{run.recipe.window} tokens, so their ends are read at positions that training never had"
        )
    own_bits = record.get("stored_bits", variants.AS_TRAINED.bits_per_weight)  # of a checkpoint's files
    measured = {FULL_PRECISION: replace(variants.AS_TRAINED, bits_per_weight=own_bits)}
    for file in files:
        measured |= variants.read_variants(file)
    if run.recipe.snapshots:
        measured |= read_snapshots(run, arguments.results)
    found = []
    for name, stored in measured.items():
        began = time.monotonic()
        model = subject.model(weights | stored.matrices)
        n_parameters = subject.count_parameters(model)
        scores = scoring.score_model(model.to(device), subject.stream, device, n_people)
        seconds = time.monotonic() - began
        variant = result_row.Variant(
            name, stored.bits_per_weight, scores, seconds, stored.spec, stored.quantized
        )
        found.append(result_row.measurement_row(run, record, n_parameters, variant, arguments.code))
        result = found[-1]
        log.say(
            f"capacity {run.slug}: {name} {result['capacity_ratio']:z.3f} bits per parameter "
            f"of at most {result['capacity_ratio_max']:z.3f}"
        )
    return found


def read_snapshots(run: Run, results: Path) -> dict[str, variants.StoredVariant]:
    """The weights that training kept on the way, as variants of a run."""
    times = {time.slug: time for time in run.recipe.snapshot_times}
    found = store.read_snapshots(results / layout.snapshots_file(run), list(times))
    return {
        name: replace(variants.AS_TRAINED, matrices=weights, spec=to_json(times[name]))
        for name, weights in found.items()
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="measure", description=__doc__)
    layout.add_arguments(parser)
    parser.add_argument("--variants", nargs="*", default=[], type=Path, metavar="FILE", help="variants files")
    parser.add_argument(
        "--scored-people", type=int, metavar="N", help="score the first N only, to stand for all"
    )
    parser.add_argument(
        "--code", default="", help="fingerprint of the measuring code, kept in the measurements"
    )
    devices.add_arguments(parser)
    console.main(run_job, parser)
