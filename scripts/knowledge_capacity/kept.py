"""Results that a job keeps, since it would make the very same again: each says what it was made from."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from . import layout
from .files import digest
from .specs import Run

KEY = "made_from"  # in a table's metadata and in a file of variants

MadeFrom = dict[str, Any]


def data_digests(run: Run, results: Path) -> dict[str, str]:
    """Digests of a run's people, tokenizer and texts. Raises UserError where one is missing."""
    files = {
        "people": [results / layout.people_file(run.dataset, run.seed)],
        "tokenizer": [layout.tokenizer_path(run, results)],
        "texts": [results / file for file in layout.text_files(run.dataset, run.seed)],
    }
    return {name: digest(*paths) for name, paths in files.items() if paths}


def run_digests(run: Run, results: Path) -> dict[str, str]:
    """Digests of a run's weights with their config.json, and of its record, which says what they were made from."""
    return {
        "model": digest(results / layout.model_file(run), results / layout.config_file(run)),
        "record": digest(results / layout.record_file(run)),
    }


def in_table(path: Path, made_from: MadeFrom) -> bool:
    """Whether a table is there, whole, and was made from this."""
    try:
        found = pq.read_table(path, page_checksum_verification=True).schema.metadata or {}
        return bool(json.loads(found[KEY.encode()]) == made_from)
    except (OSError, pa.ArrowInvalid, KeyError, ValueError):
        return False


def metadata(made_from: MadeFrom) -> dict[str, str]:
    """What `in_table` looks for, for `files.write_parquet`."""
    return {KEY: json.dumps(made_from, sort_keys=True)}


def renew(paths: Iterable[Path]) -> None:
    """Give files the time of now: they are as new as what they were made from, and Snakemake goes by times."""
    for path in paths:
        os.utime(path)
