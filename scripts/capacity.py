"""Measure the bits of knowledge in every variant of a run."""

import argparse
import time
from pathlib import Path

import torch
from knowledge_capacity import console, devices
from knowledge_capacity.capacity import losses, measure, measurement
from knowledge_capacity.capacity.subject import Subject
from knowledge_capacity.files import write_parquet
from knowledge_capacity.models import build, store
from knowledge_capacity.quantization import variants
from knowledge_capacity.specs import FULL_PRECISION


def job(arguments: argparse.Namespace, log: console.Log) -> None:
    torch.set_num_threads(arguments.threads)
    lease = devices.lease() if arguments.device != "cpu" else None  # held until the job ends
    device = build.chosen_device(arguments.device)
    torch.set_float32_matmul_precision("highest")  # some containers turn TF32 on
    subject = Subject.read(
        arguments.run,
        arguments.model,
        arguments.record,
        arguments.people,
        arguments.tokenizer,
        arguments.texts,
    )
    run, record = subject.run, subject.record
    try:
        weights = store.read_weights(arguments.model)
    except store.Diverged:
        row = measure.diverged_row(run, record, subject.n_parameters_when_new(), arguments.code)
        write_parquet(arguments.output, measurement.table([row]))
        log.say(f"capacity {run.slug}: no result, since {record['diverged']}")
        return

    n_people = arguments.scored_people or run.dataset.n_people
    if too_long := losses.beyond(subject.stream, run.recipe.window, n_people):
        log.say(
            f"capacity {run.slug}: {too_long:.1%} of the texts are longer than a window of training, "
            f"{run.recipe.window} tokens, so their ends are read at positions that training never had"
        )
    measured = {FULL_PRECISION: variants.AS_TRAINED}
    for file in arguments.variants:
        measured |= variants.read(file)
    rows = []
    for name, stored in measured.items():
        began = time.monotonic()
        model = subject.model(weights | stored.matrices)
        n_parameters = build.n_parameters(model, record["used_tokens"])
        scores = losses.score(model.to(device), subject.stream, device, n_people)
        seconds = time.monotonic() - began
        variant = measure.Variant(
            name, stored.bits_per_weight, scores, seconds, stored.spec, stored.quantized
        )
        rows.append(measure.row(run, record, n_parameters, variant, arguments.code))
        result = rows[-1]
        log.say(
            f"capacity {run.slug}: {name} {result['capacity_ratio']:.3f} bits per parameter "
            f"of at most {result['capacity_ratio_max']:.3f}"
        )
    write_parquet(arguments.output, measurement.table(rows))
    if lease:
        lease.close()


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
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: 1)")
    parser.add_argument("--device", default="auto", help="cpu, cuda or auto (default: auto)")
    console.main(job, parser)
