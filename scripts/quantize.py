"""Quantise a trained model with one method, at every precision that is asked for."""

import argparse
import json
from pathlib import Path

from knowledge_capacity import console
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
    stored = variants.write(arguments.output, weights, outside, quantizers)
    for name, bits in stored.items():
        log.write(f"{name}: {bits:.2f} bits per weight")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="quantize", description=__doc__)
    parser.add_argument(
        "--model", required=True, type=Path, metavar="FILE", help="model.safetensors, beside its config.json"
    )
    parser.add_argument("--quantizers", required=True, metavar="JSON", help="list of quantizer specs")
    parser.add_argument("--output", required=True, type=Path, metavar="FILE", help="variants file to write")
    console.main(job, parser)
