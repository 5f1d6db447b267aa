"""Writing files so that a file under its final name is always whole, and errors meant for people."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


class UserError(Exception):
    """Something the user can mend; the message is one line that names file, field, value and remedy."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its name once the block has written it and it is on disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.part")
    try:
        yield aside
        with open(aside, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write JSON for people: indented, keys in the order given."""
    with replacing(path) as aside:
        aside.write_text(json.dumps(content, indent=2) + "\n")


def write_parquet(path: Path, table: pa.Table, metadata: dict[str, str] | None = None) -> None:
    """Write a table, with `metadata` beside its schema."""
    kept = {**(table.schema.metadata or {}), **{k.encode(): v.encode() for k, v in (metadata or {}).items()}}
    with replacing(path) as aside:
        pq.write_table(table.replace_schema_metadata(kept), aside)
