"""Draw the people of a dataset for each seed and write them as Parquet."""

import argparse
import json
from pathlib import Path

from knowledge_capacity import console
from knowledge_capacity.data import people
from knowledge_capacity.specs import parse_dataset


def run_job(arguments: argparse.Namespace, log: console.Log) -> None:
    dataset = parse_dataset(json.loads(arguments.dataset))
    for path in arguments.output:
        people.write_people(path, dataset, seed_of(path))
    log.write(f"{dataset.n_people} people or strings hold {dataset.bits_max:.1f} bits")


def seed_of(path: Path) -> int:
    """The seed that a file of people is for, by the name of its folder.

    Were seeds an option, Snakemake would have all of them drawn again when there are more.
    """
    return int(path.parent.name.removeprefix("seed"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="people", description=__doc__)
    parser.add_argument("--dataset", required=True, metavar="JSON", help="the dataset's spec")
    parser.add_argument(
        "--output",
        required=True,
        nargs="+",
        type=Path,
        metavar="FILE",
        help="seedN/people.parquet, for each seed N",
    )
    console.main(run_job, parser)
