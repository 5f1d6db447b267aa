"""Measure the bits of knowledge in every variant of a run."""

import argparse
import time
from pathlib import Path
from typing import Any

from knowledge_capacity import console, devices
from knowledge_capacity.capacity import losses, measure, measurement
from knowledge_capacity.capacity.subject import Subject
from knowledge_capacity.files import write_parquet
from knowledge_capacity.models import build, store
from knowledge_capacity.quantization import variants
from knowledge_capacity.specs import FULL_PRECISION


def job(arguments: argparse.Namespace, log: console.Log) -> None:
    with devices.held(arguments) as device:
        write_parquet(arguments.output, measurement.table(rows(arguments, log, device)))


def rows(arguments: argparse.Namespace, log: console.Log, device: str) -> list[dict[str, Any]]:
    """A row for the run as trained and for each of its variants."""
    subject = Subject.read(arguments)
    run, record = subject.run, subject.record
    try:
        weights = store.read_weights(arguments.model)
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
    for file in arguments.variants:
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
    Subject.add_arguments(parser)
    parser.add_argument("--variants", nargs="*", default=[], type=Path, metavar="FILE", help="variants files")
    parser.add_argument("--output", required=True, type=Path, metavar="FILE", help="measurements.parquet")
    parser.add_argument(
        "--scored-people", type=int, metavar="N", help="score the first N only, to stand for all"
    )
    parser.add_argument(
        "--code", default="", help="fingerprint of the measuring code, kept in the measurements"
    )
    devices.add_arguments(parser)
    console.main(job, parser)
