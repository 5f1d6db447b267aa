"""Write the texts of bioR (by a language model) or bioG (by a grammar), going on where it stopped."""

import argparse
import json
from dataclasses import replace
from pathlib import Path

from knowledge_capacity import console
from knowledge_capacity.data import endpoint, people, rewrites, rewriting
from knowledge_capacity.files import write_json
from knowledge_capacity.specs import WORD_LEVEL, BioG, BioR, parse_dataset, to_json


def run_job(arguments: argparse.Namespace, log: console.Log) -> None:
    dataset, seed, folder = (
        parse_dataset(json.loads(arguments.dataset)),
        arguments.seed,
        arguments.output.with_suffix(""),
    )
    assert isinstance(dataset, BioG | BioR)
    codes = people.read_people(arguments.people, dataset, seed)
    if isinstance(dataset, BioG):  # soon made anew by other code; what a model wrote is kept
        identity = f"{to_json(dataset)} seed {seed} code {arguments.code}"
        write = rewriting.make_grammar_writer(dataset, seed)
    else:
        # texts do not depend on the tokenizer, and must not be paid for again for another one
        spec = json.loads(to_json(replace(dataset, tokenizer=WORD_LEVEL)))
        if not dataset.guided:  # nor where another field came later
            del spec["guided"]
        identity = f"{json.dumps(spec, sort_keys=True)} seed {seed}"
        settings = endpoint.read_endpoint(arguments.endpoint)
        done = rewrites.n_people_written(folder, dataset.n_people, identity)
        write = rewriting.make_model_writer(dataset, seed, settings, done, log)
    made = rewriting.write_missing_shards(folder, identity, dataset, codes, write)
    write_json(arguments.output, {"dataset": json.loads(to_json(dataset)), "seed": seed, **made})
    log.say(f"rewrites {dataset.slug}: {made['texts']} texts, rejected: {made['rejected'] or 'none'}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="rewrites", description=__doc__)
    parser.add_argument("--dataset", required=True, metavar="JSON", help="the dataset's spec")
    parser.add_argument("--people", required=True, type=Path, metavar="FILE", help="people.parquet")
    parser.add_argument("--seed", required=True, type=int, help="the run's seed")
    parser.add_argument("--endpoint", type=Path, metavar="FILE", help="envs/endpoint.yaml (bioR)")
    parser.add_argument("--output", required=True, type=Path, metavar="FILE", help="rewrites.json")
    parser.add_argument("--code", default="", help="fingerprint of the code that writes")
    console.main(run_job, parser)
