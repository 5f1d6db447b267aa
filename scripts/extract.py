"""Teach the runs of a cell to answer questions about half of their people, and ask them about the others.

Answers that were made from the very weights, data, questions and code are left as they are.
"""

import argparse
import json
import time
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
from knowledge_capacity import console, devices, kept, layout
from knowledge_capacity.cells import process_each_run
from knowledge_capacity.data import tokenizer
from knowledge_capacity.data.pieces import DOMAIN_TOKEN
from knowledge_capacity.extraction import exam, score
from knowledge_capacity.files import UserError, write_parquet
from knowledge_capacity.measurements import measurement_table
from knowledge_capacity.measuring.trained_run import TrainedRun
from knowledge_capacity.models import store
from knowledge_capacity.specs import FEWEST_ASKED, BioD, Biography, Extraction, Run, parse_cell

UPDATED = "updated"  # in the metadata of both tables: the layers that each extraction updated


def run_job(arguments: argparse.Namespace, log: console.Log) -> None:
    with devices.hold_device(arguments) as device:
        process_each_run(parse_cell(arguments.cell), lambda run: ask_run(run, arguments, log, device), log)


def ask_run(run: Run, arguments: argparse.Namespace, log: console.Log, device: str) -> None:
    """Write the answers of one run and what they come to, unless they are there."""
    results: Path = arguments.results
    answers_file, output = results / layout.answers_file(run), results / layout.extraction_file(run)
    specs = [Extraction(**values) for values in json.loads(arguments.questions)]
    made_from = kept.answers_provenance(run, results, specs, arguments.code)
    if all(kept.is_table_current(file, made_from) for file in (answers_file, output)):
        kept.touch_files([answers_file, output])
        log.write(f"extract {run.slug}: these answers are there")
        return
    rows, answers, updated = ask_questions(TrainedRun.read(run, results), specs, arguments, log, device)
    metadata = {**kept.provenance_metadata(made_from), UPDATED: json.dumps(updated)}
    write_parquet(answers_file, answers, metadata)
    measurement_table.write_measurements(output, measurement_table.build_table(rows), metadata)


def ask_questions(
    subject: TrainedRun, specs: list[Extraction], arguments: argparse.Namespace, log: console.Log, device: str
) -> tuple[list[dict[str, Any]], pa.Table, dict[str, list[str]]]:
    """A row of measurements for each extraction, all answers, and the layers that each updated."""
    run, record, source = subject.run, subject.record, subject.stream.source
    dataset = run.dataset
    if not isinstance(dataset, Biography | BioD):
        raise UserError(f"{dataset.slug}: random strings have no names by which to ask about them.")
    if dataset.n_people < FEWEST_ASKED:
        raise UserError(f"{dataset.slug}: it has {dataset.n_people} people, and {FEWEST_ASKED} are needed.")
    try:
        weights = store.read_weights(subject.source)
    except store.Diverged as diverged:  # its row of measurements says so, and there is nothing to ask
        log.say(f"extract: {diverged}")
        weights, specs = {}, []
    tokens = tokenizer.read_tokenizer(
        layout.tokenizer_path(run, arguments.results), domain=run.recipe.has_domain_token
    )
    opening = [subject.stream.end_token]
    if run.recipe.junk and run.recipe.junk.domain_token == "useful":
        opening.append(tokens.get_vocab()[DOMAIN_TOKEN])
    rows, tables = [], [score.ANSWERS.empty_table()]
    updated: dict[str, list[str]] = {}
    for spec in specs:
        began = time.monotonic()
        model = subject.model(weights)
        n_parameters = subject.count_parameters(model)
        say = partial(_say_about_run, log, f"extract {run.slug}: {spec.slug}")
        held = exam.run_exam(model.to(device), dataset, run.seed, source.codes, tokens, opening, spec, say)
        seconds = time.monotonic() - began
        rows.append(
            score.measurement_row(run, record, n_parameters, spec, held.answers, seconds, arguments.code)
        )
        tables.append(score.answer_table(spec.slug, held, tokens))
        updated[spec.slug] = held.updated
        right = ", ".join(f"{name} {share:z.0%}" for name, share in rows[-1]["accuracy_by_attribute"])
        say(f"{rows[-1]['bits_learned']:z,.0f} of {rows[-1]['bits_max']:z,.0f} bits. Right: {right}")
    return rows, pa.concat_tables(tables), updated


def _say_about_run(log: console.Log, name: str, line: str) -> None:
    log.say(f"{name}: {line}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="extract", description=__doc__)
    layout.add_arguments(parser)
    parser.add_argument("--questions", required=True, metavar="JSON", help="list of extraction specs")
    parser.add_argument(
        "--code", default="", help="fingerprint of the measuring code, kept in the measurements"
    )
    devices.add_arguments(parser)
    console.main(run_job, parser)
