"""Draw the people of a dataset and write them as Parquet."""

import argparse
import json
from pathlib import Path

from knowledge_capacity import console
from knowledge_capacity.data import people
from knowledge_capacity.specs import dataset_from


def job(arguments: argparse.Namespace, log: console.Log) -> None:
    dataset = dataset_from(json.loads(arguments.dataset))
    people.write(arguments.output, dataset, arguments.seed)
    log.write(f"{dataset.n_people} people or strings hold {dataset.bits_max:.1f} bits")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="people", description=__doc__)
    parser.add_argument("--dataset", required=True, metavar="JSON", help="the dataset's spec")
    parser.add_argument("--seed", required=True, type=int, help="the run's seed")
    parser.add_argument("--output", required=True, type=Path, metavar="FILE", help="people.parquet")
    console.main(job, parser)
