"""Quantise the runs of a cell with one method, at every precision that is asked for.

Variants that were made from the very weights, quantizers and code are left as they are, and so are further ones.
"""

import argparse
import json
from functools import partial
from pathlib import Path

from knowledge_capacity import console, devices, kept, layout
from knowledge_capacity.cells import process_each_run
from knowledge_capacity.models import store
from knowledge_capacity.quantization import further, variants
from knowledge_capacity.specs import Quantizer, Run, parse_cell


def run_job(arguments: argparse.Namespace, log: console.Log) -> None:
    quantizers = [Quantizer(**values) for values in json.loads(arguments.quantizers)]
    if not quantizers[0].sees_data:  # then nothing runs the model
        arguments.device = "cpu"
    with devices.hold_device(arguments) as device:
        process_each_run(
            parse_cell(arguments.cell), lambda run: quantize(run, quantizers, arguments, log, device), log
        )


def quantize(
    run: Run, quantizers: list[Quantizer], arguments: argparse.Namespace, log: console.Log, device: str
) -> None:
    """Write the variants of one run, unless they are there."""
    results: Path = arguments.results
    output = results / layout.variants_file(run, quantizers[0].method)
    there = further.quantizers_applied(output, quantizers)
    if variants.is_current(output, kept.variants_provenance(run, results, there, arguments.code)):
        kept.touch_files([output])
        log.write(f"quantize {run.slug}: these variants are there")
        return
    made_from = kept.variants_provenance(run, results, quantizers, arguments.code)
    asked, source = quantizers, variants.CalibrationSource(run, results, device)
    try:
        weights, outside = store.quantizable_weights(results / layout.model_file(run))
    except store.Diverged as diverged:  # it has no variants either, and the study goes on without them
        log.say(f"quantize: {diverged}")
        weights, outside, asked = {}, set(), []
    stored = variants.write_variants(
        output, weights, outside, asked, source, log.write, made_from, partial(_say_about_run, log, run)
    )
    for name, bits in stored.items():
        log.write(f"{run.slug}: {name}: {bits:.2f} bits per weight")


def _say_about_run(log: console.Log, run: Run, line: str) -> None:
    log.say(f"quantize {run.slug}: {line}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="quantize", description=__doc__)
    layout.add_arguments(parser)
    parser.add_argument(
        "--quantizers", required=True, metavar="JSON", help="list of quantizer specs, of one method"
    )
    parser.add_argument("--code", default="", help="fingerprint of the method's code, kept in the variants")
    devices.add_arguments(parser)
    console.main(run_job, parser)
