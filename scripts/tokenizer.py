"""Make the tokenizer of a dataset: one token a word, byte pairs, or another's cut down to what is needed."""

import argparse
import json
from pathlib import Path

from knowledge_capacity import console
from knowledge_capacity.data import corpus, tokenizer
from knowledge_capacity.specs import parse_dataset


def run_job(arguments: argparse.Namespace, log: console.Log) -> None:
    dataset = parse_dataset(json.loads(arguments.dataset))
    sample = corpus.sample_biographies(dataset)
    whole = ["".join(pieces) for pieces in sample]
    made = tokenizer.make_tokenizer(
        dataset.tokenizer, corpus.vocabulary_texts(dataset), whole, corpus.has_closed_vocabulary(dataset)
    )
    tokenizer.check_tokenizer(made, dataset.tokenizer, sample)
    tokenizer.write_tokenizer(arguments.output.parent, made)
    log.write(f"{made.get_vocab_size()} tokens")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="tokenizer", description=__doc__)
    parser.add_argument("--dataset", required=True, metavar="JSON", help="the dataset's spec")
    parser.add_argument("--output", required=True, type=Path, metavar="FILE", help="tokenizer.json")
    console.main(run_job, parser)
