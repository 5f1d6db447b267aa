"""Make the tokenizer of a dataset: one token a word, byte pairs, or another's cut down to what is needed."""

import argparse
import json
from pathlib import Path

import torch
from knowledge_capacity import console
from knowledge_capacity.data import people, tokenizer
from knowledge_capacity.data.pieces import END, all_texts, pieces_of
from knowledge_capacity.data.stream import training_pieces
from knowledge_capacity.specs import dataset_from

SAMPLE = 10_000  # biographies (of seed 0) that byte pairs are learned from and tokenizers are tried on
SEED = 0


def job(arguments: argparse.Namespace, log: console.Log) -> None:
    dataset = dataset_from(json.loads(arguments.dataset))
    composer = pieces_of(dataset, SEED)
    drawn = people.draw(dataset, SEED, torch.arange(dataset.n_people))
    numbers = training_pieces(composer, dataset, drawn, SEED, 0, SAMPLE).tolist()
    sample = [[composer.pieces.texts[number] for number in row if number != END] for row in numbers]
    made = tokenizer.make(dataset.tokenizer, all_texts(dataset), ["".join(pieces) for pieces in sample])
    tokenizer.check(made, dataset.tokenizer, sample)
    tokenizer.write(arguments.output.parent, made)
    log.write(f"{made.get_vocab_size()} tokens")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="tokenizer", description=__doc__)
    parser.add_argument("--dataset", required=True, metavar="JSON", help="the dataset's spec")
    parser.add_argument("--output", required=True, type=Path, metavar="FILE", help="tokenizer.json")
    console.main(job, parser)
