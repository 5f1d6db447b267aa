"""Measure the bits of knowledge in every variant of a cell's runs.

Measurements that were made from the very weights, variants, data and code are left as they are.
"""

import argparse
import time
from pathlib import Path
from typing import Any

from knowledge_capacity import console, devices, kept, layout
from knowledge_capacity.capacity import losses, measure, measurement
from knowledge_capacity.capacity.subject import Subject
from knowledge_capacity.cells import for_each
from knowledge_capacity.files import write_parquet
from knowledge_capacity.models import build, store
from knowledge_capacity.quantization import variants
from knowledge_capacity.specs import FULL_PRECISION, Run, cell_from


def job(arguments: argparse.Namespace, log: console.Log) -> None:
    with devices.held(arguments) as device:
        for_each(cell_from(arguments.cell), lambda run: measure_run(run, arguments, log, device), log)


def measure_run(run: Run, arguments: argparse.Namespace, log: console.Log, device: str) -> None:
    """Write the measurements of one run, unless they are there."""
    results: Path = arguments.results
    output = results / layout.measurements_file(run)
    files = [file for file in arguments.variants if file.parent.parent == output.parent]
    methods = [file.stem for file in files]
    made_from = kept.measurements_made_from(run, results, methods, arguments.scored_people, arguments.code)
    if kept.in_table(output, made_from):
        kept.renew([output])
        log.write(f"capacity {run.slug}: these measurements are there")
        return
    rows = measured_rows(Subject.read(run, results), files, arguments, log, device)
    write_parquet(output, measurement.table(rows), kept.metadata(made_from))


def measured_rows(
    subject: Subject, files: list[Path], arguments: argparse.Namespace, log: console.Log, device: str
) -> list[dict[str, Any]]:
    """A row for the run as trained and for each of its variants. files: of variants."""
    run, record = subject.run, subject.record
    try:
        weights = store.read_weights(subject.source)
    except store.Diverged:
        log.say(f"capacity {run.slug}: no result, since {record['diverged']}")
        return [measure.diverged_row(run, record, subject.n_parameters_when_new(), arguments.code)]

    n_people = arguments.scored_people or run.dataset.n_people
    if too_long := losses.beyond(subject.stream, run.recipe.window, n_people):
        log.say(
            f"capacity {run.slug}: {too_long:z.1%} of the texts are longer than a window of training, "
            f"{run.recipe.window} tokens, so their ends are read at positions that training never had"
        )
    measured = {FULL_PRECISION: variants.AS_TRAINED}
    for file in files:
        measured |= variants.read(file)
    found = []
    for name, stored in measured.items():
        began = time.monotonic()
        model = subject.model(weights | stored.matrices)
        n_parameters = build.n_parameters(model, record["used_tokens"])
        scores = losses.score(model.to(device), subject.stream, device, n_people)
        seconds = time.monotonic() - began
        variant = measure.Variant(
            name, stored.bits_per_weight, scores, seconds, stored.spec, stored.quantized
        )
        found.append(measure.row(run, record, n_parameters, variant, arguments.code))
        result = found[-1]
        log.say(
            f"capacity {run.slug}: {name} {result['capacity_ratio']:z.3f} bits per parameter "
            f"of at most {result['capacity_ratio_max']:z.3f}"
        )
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="capacity", description=__doc__)
    layout.add_arguments(parser)
    parser.add_argument("--variants", nargs="*", default=[], type=Path, metavar="FILE", help="variants files")
    parser.add_argument(
        "--scored-people", type=int, metavar="N", help="score the first N only, to stand for all"
    )
    parser.add_argument(
        "--code", default="", help="fingerprint of the measuring code, kept in the measurements"
    )
    devices.add_arguments(parser)
    console.main(job, parser)
