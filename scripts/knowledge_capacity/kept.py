"""Results that a job keeps, since it would make the very same again: each says what it was made from."""

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from . import layout
from .files import digest_files
from .specs import Extraction, Quantizer, Run, to_json

KEY = "made_from"  # in a table's metadata and in a file of variants

MadeFrom = dict[str, Any]


def data_digests(run: Run, results: Path) -> dict[str, str]:
    """Digests of a run's people, tokenizer and texts. Raises UserError where one is missing."""
    files = {
        "people": [results / layout.people_file(run.dataset, run.seed)],
        "tokenizer": [layout.tokenizer_path(run, results)],
        "texts": [results / file for file in layout.text_files(run.dataset, run.seed)],
    }
    return {name: digest_files(*paths) for name, paths in files.items() if paths}


def run_digests(run: Run, results: Path) -> dict[str, str]:
    """Digests of a run's weights with their config.json, and of its record, which says what they were made from."""
    return {
        "model": digest_files(results / layout.model_file(run), results / layout.config_file(run)),
        "record": digest_files(results / layout.record_file(run)),
    }


def variants_provenance(run: Run, results: Path, quantizers: Sequence[Quantizer], code: str) -> MadeFrom:
    """What a file of variants is made from. code: fingerprint of the method's code."""
    return {
        "code": code,
        "quantizers": [json.loads(to_json(quantizer)) for quantizer in quantizers],
        **run_digests(run, results),
        **(data_digests(run, results) if quantizers[0].sees_data else {}),
    }


def measurements_provenance(
    run: Run, results: Path, methods: Sequence[str], scored_people: int | None, code: str
) -> MadeFrom:
    """What measurements are made from. methods: those of the run's variants. code: fingerprint of what measures."""
    files = {method: results / layout.variants_file(run, method) for method in methods}
    return {
        "code": code,
        "scored_people": scored_people,
        **run_digests(run, results),
        **data_digests(run, results),
        "variants": {method: digest_files(file) for method, file in files.items()},
    }


def answers_provenance(run: Run, results: Path, questions: Sequence[Extraction], code: str) -> MadeFrom:
    """What answers, and the measurements of them, are made from. code: fingerprint of what asks."""
    return {
        "code": code,
        "questions": [json.loads(to_json(one)) for one in questions],
        **run_digests(run, results),
        **data_digests(run, results),
    }


def is_table_current(path: Path, made_from: MadeFrom) -> bool:
    """Whether a table is there, whole, and was made from this."""
    try:
        found = pq.read_table(path, page_checksum_verification=True).schema.metadata or {}
        return bool(json.loads(found[KEY.encode()]) == made_from)
    except (OSError, pa.ArrowInvalid, KeyError, ValueError):
        return False


def provenance_metadata(made_from: MadeFrom) -> dict[str, str]:
    """What `is_table_current` looks for, for `files.write_parquet`."""
    return {KEY: json.dumps(made_from, sort_keys=True)}


def touch_files(paths: Iterable[Path]) -> None:
    """Give files the time of now: they are as new as what they were made from, and Snakemake goes by times."""
    for path in paths:
        os.utime(path)
