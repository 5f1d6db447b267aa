"""Stored biographies: several rewrites of every person, in Parquet shards, with the span of every fact.

bioR and bioG tell about a person in texts that are not put together from templates. These are written once,
before training, as shards of PEOPLE_PER_SHARD people each. A shard appears under its name only when it is
whole; so work that was interrupted goes on with the first shard that is missing.
"""

import json
import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, groupby
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from ..files import UserError, read_parquet, remake_remedy, write_parquet
from ..specs import BioG, BioR, to_json

PEOPLE_PER_SHARD = 250
SCHEMA = pa.schema(
    [
        pa.field("person", pa.int64(), nullable=False),  # position in the dataset
        pa.field("rewrite", pa.int32(), nullable=False),  # 0 .. rewrites - 1
        pa.field("text", pa.string(), nullable=False),
        pa.field(
            "spans",
            pa.list_(pa.struct([("fact", pa.string()), ("start", pa.int32()), ("stop", pa.int32())])),
            nullable=False,
        ),
    ]
)


class Span(NamedTuple):
    """Characters start..stop-1 of a text tell a fact: one of FACTS."""

    fact: str
    start: int
    stop: int


# name is the full name; pronoun is the first word that tells he from she (he, his, him, she, her, ...)
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


def write_shard(
    folder: Path, shard: int, identity: str, people: list[list[Rewrite]], rejected: Counter[str]
) -> None:
    """Write all rewrites of the people of a shard.

    identity: what they were made for and by. rejected: how many texts were not taken, by reason.
    """
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
    metadata = {"identity": identity, "rejected": json.dumps(rejected)}
    write_parquet(shard_path(folder, shard), pa.Table.from_pylist(rows, schema=SCHEMA), metadata)


def read_rejections(folder: Path, shard: int, identity: str) -> Counter[str] | None:
    """How many texts were rejected for a shard, by reason; None without a whole shard of the identity."""
    try:
        metadata = pq.read_schema(shard_path(folder, shard)).metadata or {}
    except (OSError, pa.ArrowInvalid):
        return None
    if metadata.get(b"identity", b"").decode() != identity:
        return None
    return Counter(json.loads(metadata[b"rejected"]))


def refuse_other_identity(folder: Path, shard: int, identity: str) -> None:
    """Raise UserError where a whole shard of another identity stands: it cost money."""
    path = shard_path(folder, shard)
    try:
        found = (pq.read_schema(path).metadata or {}).get(b"identity", b"").decode()
    except (OSError, pa.ArrowInvalid):
        return
    if found != identity:
        raise UserError(f"{path}: holds texts written for something else. Move it away and run again.")


def n_people_written(folder: Path, n_people: int, identity: str) -> int:
    """How many people have their rewrites, in whole shards of the identity."""
    have = [
        shard for shard in range(n_shards(n_people)) if read_rejections(folder, shard, identity) is not None
    ]
    return sum(min(PEOPLE_PER_SHARD, n_people - shard * PEOPLE_PER_SHARD) for shard in have)


def read_rewrites(manifest: Path, dataset: BioG | BioR, seed: int) -> Iterator[list[Rewrite]]:
    """All rewrites of a dataset, by person and number, a shard at a time.

    Raises UserError where the manifest is of another dataset, or a shard is missing or not what it lists.
    """
    identity = _read_identity(manifest, dataset, seed)
    for shard in range(n_shards(dataset.n_people)):
        yield list(chain.from_iterable(_read_checked_shard(manifest, dataset, shard, identity)))


def read_person_rewrites(manifest: Path, dataset: BioG | BioR, seed: int, person: int) -> list[Rewrite]:
    """All rewrites of one person, by number. Raises UserError as `read_rewrites` does."""
    shard, place = divmod(person, PEOPLE_PER_SHARD)
    return _read_checked_shard(manifest, dataset, shard, _read_identity(manifest, dataset, seed))[place]


@lru_cache(maxsize=2)  # readers go through people in order
def _read_checked_shard(
    manifest: Path, dataset: BioG | BioR, shard: int, identity: str
) -> list[list[Rewrite]]:
    people = read_shard(manifest.with_suffix(""), shard, identity)
    expected = min(PEOPLE_PER_SHARD, dataset.n_people - shard * PEOPLE_PER_SHARD)
    if [len(one) for one in people] != [dataset.rewrites] * expected:
        path = shard_path(manifest.with_suffix(""), shard)
        raise UserError(f"{path}: rewrites are missing. {_shard_remedy(path)}")
    return people


def _read_identity(manifest: Path, dataset: BioG | BioR, seed: int) -> str:
    """What the shards were made for and by, as the manifest says."""
    try:
        content = json.loads(manifest.read_text())
        made_for, identity = (content["dataset"], content["seed"]), content["identity"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{manifest}: not a readable list of rewrites ({error}). {remake_remedy(manifest)}"
        ) from error
    if made_for != (json.loads(to_json(dataset)), seed):
        reason = f"is about other people than {dataset.slug} with seed {seed}"
        raise UserError(f"{manifest}: {reason}. {remake_remedy(manifest)}")
    return identity


def read_shard(folder: Path, shard: int, identity: str) -> list[list[Rewrite]]:
    """The rewrites of a shard, by person. Raises UserError where it is damaged or of another identity."""
    path = shard_path(folder, shard)
    table = read_parquet(path, remedy=_shard_remedy(path))
    if (table.schema.metadata or {}).get(b"identity", b"").decode() != identity:
        raise UserError(f"{path}: holds rewrites made for something else. {_shard_remedy(path)}")
    rows = table.to_pylist()
    return [
        [Rewrite(row["text"], tuple(Span(**span) for span in row["spans"])) for row in group]
        for _, group in groupby(rows, key=lambda row: row["person"])
    ]


def _shard_remedy(path: Path) -> str:
    """What to do about a shard that is damaged: it is made again when the list of shards is."""
    manifest = path.parent.with_suffix(".json")
    return f"Delete it and {manifest}, and make them again: snakemake --cores 1 {shlex.quote(str(manifest))}"
