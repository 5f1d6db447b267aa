"""Tokenise the stored texts of bioR and bioG, once for all runs."""

import argparse
import json
from pathlib import Path

from knowledge_capacity import console
from knowledge_capacity.data import stored, tokenizer
from knowledge_capacity.specs import BioG, BioR, parse_dataset


def run_job(arguments: argparse.Namespace, log: console.Log) -> None:
    dataset = parse_dataset(json.loads(arguments.dataset))
    assert isinstance(dataset, BioG | BioR)
    tokens = tokenizer.read_tokenizer(arguments.tokenizer)
    total = stored.encode_rewrites(arguments.output, arguments.rewrites, dataset, arguments.seed, tokens)
    n_texts = dataset.n_people * dataset.rewrites
    log.write(f"{n_texts} texts of {total / n_texts:.1f} tokens")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="encode", description=__doc__)
    parser.add_argument("--dataset", required=True, metavar="JSON", help="the dataset's spec")
    parser.add_argument("--rewrites", required=True, type=Path, metavar="FILE", help="rewrites.json")
    parser.add_argument("--seed", required=True, type=int, help="the run's seed")
    parser.add_argument("--tokenizer", required=True, type=Path, metavar="FILE", help="tokenizer.json")
    parser.add_argument("--output", required=True, type=Path, metavar="FOLDER", help="where the arrays go")
    console.main(run_job, parser)
