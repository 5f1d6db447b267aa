"""Make the word-level tokenizer of a dataset."""

import argparse
import json
from pathlib import Path

from knowledge_capacity import console
from knowledge_capacity.data import tokenizer
from knowledge_capacity.data.pieces import all_texts
from knowledge_capacity.specs import dataset_from


def job(arguments: argparse.Namespace, log: console.Log) -> None:
    made = tokenizer.word_level(all_texts(dataset_from(json.loads(arguments.dataset))))
    tokenizer.write(arguments.output.parent, made)
    log.write(f"{made.get_vocab_size()} tokens")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="tokenizer", description=__doc__)
    parser.add_argument("--dataset", required=True, metavar="JSON", help="the dataset's spec")
    parser.add_argument("--output", required=True, type=Path, metavar="FILE", help="tokenizer.json")
    console.main(job, parser)
