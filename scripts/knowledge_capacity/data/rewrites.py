"""Stored biographies: several rewrites of every person, in Parquet shards, with the span of every fact.

bioR and bioG tell about a person in texts that are not put together from templates. These are written once,
before training, as shards of PEOPLE_PER_SHARD people each. A shard appears under its name only when it is
whole; so work that was interrupted goes on with the first shard that is missing.
"""

from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from ..files import UserError, remake, write_parquet

PEOPLE_PER_SHARD = 250
SCHEMA = pa.schema(
    [
        pa.field("person", pa.int64(), nullable=False),  # position in the dataset
        pa.field("rewrite", pa.int32(), nullable=False),  # 0 .. rewrites - 1
        pa.field("text", pa.string(), nullable=False),
        pa.field(
            "spans",
            pa.list_(
                pa.struct([("fact", pa.string()), ("start", pa.int32()), ("stop", pa.int32())])
            ),
            nullable=False,
        ),
    ]
)


class Span(NamedTuple):
    """Characters start..stop-1 of a text tell a fact: one of FACTS."""

    fact: str
    start: int
    stop: int


# name is the full name; pronoun is the first word that tells he from she (he, his, him, himself, she, her, ...)
FACTS = (
    "name",
    "birth_date",
    "birth_city",
    "university",
    "major",
    "employer",
    "work_city",
    "pronoun",
)


@dataclass(frozen=True)
class Rewrite:
    """One biography: its text, and one span for each of FACTS, where it is told first, in order of place.

    Spans do not overlap, begin and end where words do, and that of the name is the first.
    """

    text: str
    spans: tuple[Span, ...]


def shard_path(folder: Path, shard: int) -> Path:
    """Where the people shard·PEOPLE_PER_SHARD .. (shard + 1)·PEOPLE_PER_SHARD - 1 are kept."""
    return folder / f"part-{shard:05}.parquet"


def n_shards(n_people: int) -> int:
    return -(-n_people // PEOPLE_PER_SHARD)


def write_shard(folder: Path, shard: int, identity: str, people: list[list[Rewrite]]) -> None:
    """Write all rewrites of the people of a shard. identity: what they were made for and by."""
    first = shard * PEOPLE_PER_SHARD
    rows = [
        {
            "person": first + i,
            "rewrite": j,
            "text": rewrite.text,
            "spans": [span._asdict() for span in rewrite.spans],
        }
        for i, rewrites in enumerate(people)
        for j, rewrite in enumerate(rewrites)
    ]
    write_parquet(
        shard_path(folder, shard), pa.Table.from_pylist(rows, schema=SCHEMA), {"identity": identity}
    )


def read_shard(folder: Path, shard: int, identity: str) -> list[list[Rewrite]]:
    """The rewrites of a shard, by person. Raises UserError for a file that is damaged or of another identity."""
    path = shard_path(folder, shard)
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise UserError(f"{path}: not a readable Parquet file ({error}). {remake(path)}") from error
    if (table.schema.metadata or {}).get(b"identity", b"").decode() != identity:
        raise UserError(f"{path}: holds rewrites made for something else. Delete it and run again.")
    rows = table.to_pylist()
    return [
        [Rewrite(row["text"], tuple(Span(**span) for span in row["spans"])) for row in group]
        for _, group in groupby(rows, key=lambda row: row["person"])
    ]
