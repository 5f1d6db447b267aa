"""Measure the bits of knowledge in every variant of a run."""

import argparse
import json
import time
from pathlib import Path

import torch
from knowledge_capacity import console, devices
from knowledge_capacity.capacity import losses, measure, measurement
from knowledge_capacity.data import people, tokenizer
from knowledge_capacity.data.stream import Stream, source_of
from knowledge_capacity.files import UserError, remake, write_parquet
from knowledge_capacity.models import build, store
from knowledge_capacity.quantization import variants
from knowledge_capacity.specs import FULL_PRECISION, run_from


def job(arguments: argparse.Namespace, log: console.Log) -> None:
    run = run_from(arguments.run)
    torch.set_num_threads(arguments.threads)
    lease = devices.lease() if arguments.device != "cpu" else None  # held until the job ends
    device = build.chosen_device(arguments.device)
    torch.set_float32_matmul_precision("highest")  # some containers turn TF32 on
    record = json.loads(arguments.record.read_text())
    if record["run"] != json.loads(arguments.run):
        raise UserError(
            f"{arguments.record}: belongs to another run than {run.slug}. {remake(arguments.record)}"
        )
    tokens = tokenizer.read(arguments.tokenizer, domain=run.recipe.has_domain_token)
    codes = people.read(arguments.people, run.dataset, run.seed)
    stream = Stream(source_of(run.dataset, run.seed, codes, arguments.texts), tokens, run.recipe.junk)
    vocabulary, used = tokens.get_vocab_size(), record["used_tokens"]
    try:
        weights = store.read_weights(arguments.model)
    except store.Diverged:
        fresh = build.build(run.architecture, vocabulary, run.recipe.window, run.seed)
        row = measure.diverged_row(run, record, build.n_parameters(fresh, used), arguments.code)
        write_parquet(arguments.output, measurement.table([row]))
        log.say(f"capacity {run.slug}: no result, since {record['diverged']}")
        return

    measured = {FULL_PRECISION: variants.AS_TRAINED}
    for file in arguments.variants:
        measured |= variants.read(file)
    rows = []
    for name, stored in measured.items():
        began = time.monotonic()
        model = store.load(
            arguments.model, run.architecture, vocabulary, run.recipe.window, weights | stored.matrices
        )
        n_parameters = build.n_parameters(model, used)
        scores = losses.score(model.to(device), stream, device)
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
    parser.add_argument("--run", required=True, metavar="JSON", help="the run's spec")
    parser.add_argument("--model", required=True, type=Path, metavar="FILE", help="model.safetensors")
    parser.add_argument("--record", required=True, type=Path, metavar="FILE", help="run.json")
    parser.add_argument("--variants", nargs="*", default=[], type=Path, metavar="FILE", help="variants files")
    parser.add_argument("--people", required=True, type=Path, metavar="FILE", help="people.parquet")
    parser.add_argument("--tokenizer", required=True, type=Path, metavar="FILE", help="tokenizer.json")
    parser.add_argument("--texts", type=Path, metavar="FOLDER", help="encoded texts of bioR and bioG")
    parser.add_argument("--output", required=True, type=Path, metavar="FILE", help="measurements.parquet")
    parser.add_argument(
        "--code", default="", help="fingerprint of the measuring code, kept in the measurements"
    )
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: 1)")
    parser.add_argument("--device", default="auto", help="cpu, cuda or auto (default: auto)")
    console.main(job, parser)
