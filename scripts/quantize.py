"""Quantise a trained model with one method, at every precision that is asked for."""

import argparse
import json
from pathlib import Path

from knowledge_capacity import console, devices
from knowledge_capacity.models import store
from knowledge_capacity.quantization import variants
from knowledge_capacity.specs import Quantizer


def job(arguments: argparse.Namespace, log: console.Log) -> None:
    quantizers = [Quantizer(**values) for values in json.loads(arguments.quantizers)]
    try:
        weights, outside = store.quantizable_weights(arguments.model)
    except store.Diverged as diverged:  # it has no variants either, and the study goes on without them
        log.say(f"quantize: {diverged}")
        weights, outside, quantizers = {}, set(), []
    if not arguments.run:  # without data, nothing runs the model
        arguments.device = "cpu"
    with devices.held(arguments) as device:
        source = None
        if arguments.run:
            files = (arguments.model, arguments.people, arguments.tokenizer, arguments.texts)
            source = variants.Source(arguments.run, *files, device)
        stored = variants.write(arguments.output, weights, outside, quantizers, source, log.write)
    for name, bits in stored.items():
        log.write(f"{name}: {bits:.2f} bits per weight")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="quantize", description=__doc__)
    parser.add_argument(
        "--model", required=True, type=Path, metavar="FILE", help="model.safetensors, beside its config.json"
    )
    parser.add_argument("--quantizers", required=True, metavar="JSON", help="list of quantizer specs")
    parser.add_argument("--output", required=True, type=Path, metavar="FILE", help="variants file to write")
    devices.add_arguments(parser)
    data = parser.add_argument_group("for gptq, the run's data")
    data.add_argument("--run", metavar="JSON", help="the run's spec")
    data.add_argument("--people", type=Path, metavar="FILE", help="people.parquet")
    data.add_argument("--tokenizer", type=Path, metavar="FILE", help="tokenizer.json")
    data.add_argument("--texts", type=Path, metavar="FOLDER", help="encoded texts of bioR and bioG")
    console.main(job, parser)
