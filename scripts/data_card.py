"""Write the data card of a dataset: its bits, pools and tokens, and ten of its biographies."""

import argparse
import json
from pathlib import Path

from knowledge_capacity import console
from knowledge_capacity.data import card, card_page, people, tokenizer
from knowledge_capacity.data.stream import Stream, make_source
from knowledge_capacity.files import atomic_write, write_json
from knowledge_capacity.specs import parse_dataset


def run_job(arguments: argparse.Namespace, log: console.Log) -> None:
    dataset = parse_dataset(json.loads(arguments.dataset))
    codes = people.read_people(arguments.people, dataset, arguments.seed)
    tokens = tokenizer.read_tokenizer(arguments.tokenizer)
    made = card.make_data_card(
        Stream(make_source(dataset, arguments.seed, codes, arguments.texts), tokens), tokens
    )
    write_json(arguments.output.with_suffix(".json"), made)
    page = arguments.output.with_suffix(".html")
    with atomic_write(page) as aside:
        aside.write_text(card_page.render_page(made), encoding="utf-8")
    log.write(f"wrote {page}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="data_card", description=__doc__)
    parser.add_argument("--dataset", required=True, metavar="JSON", help="the dataset's spec")
    parser.add_argument("--people", required=True, type=Path, metavar="FILE", help="people.parquet")
    parser.add_argument("--tokenizer", required=True, type=Path, metavar="FILE", help="tokenizer.json")
    parser.add_argument("--texts", type=Path, metavar="FOLDER", help="encoded texts of bioR and bioG")
    parser.add_argument("--seed", required=True, type=int, help="the seed the people were drawn with")
    parser.add_argument(
        "--output", required=True, type=Path, metavar="PATH", help="where to, without an ending"
    )
    console.main(run_job, parser)
