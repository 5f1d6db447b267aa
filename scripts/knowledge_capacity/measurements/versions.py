"""Versions of the table of measurements: which files of older ones can be read, and what they lack."""

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

from . import spec_columns
from .other_writers import INDEX, take_types

MOST_NAMED = 5  # columns, in an error


@dataclass(frozen=True)
class Change:
    """What a version changed.

    added: its new columns, which files of older versions lack. same_meaning: whether what older files have means the
    same in it; if not, they cannot be read.
    """

    said: str
    added: tuple[str, ...] = ()
    same_meaning: bool = False


# By version, from the oldest that can be read. A column that is added needs an entry. So does one that is renamed,
# removed, or of another type or meaning; then older files are of no use, and the table begins with that entry.
CHANGES = {
    4: Change("the scales of a variant are stored, and counted, in 16 bits"),
    5: Change("a row says which experiments ask for it", added=("experiments",), same_meaning=True),
    6: Change("a row says what share of facts is right", added=("facts_right",), same_meaning=True),
}
VERSION = str(max(CHANGES))


class NewerVersion(ValueError):
    """A file of a version that this code does not know yet."""


def read_as_current(found: pa.Table, version: str, schema: pa.Schema) -> pa.Table:
    """A table as one of the present version, whose schema is given, whoever wrote it.

    Columns that an older version lacks follow from the specs of its rows, or are null where they may be. Raises
    NewerVersion, and ValueError for any other table that cannot be read.
    """
    number = _parse_version(version)
    current = max(CHANGES)
    if number > current:
        raise NewerVersion(
            "made by a newer version of this project: these are measurements of "
            f"version {number}, and this code reads {_describe_readable()}"
        )
    if changed := [one for at, one in CHANGES.items() if at > number and not one.same_meaning]:
        raise ValueError(
            f"measurements of version {number}, and this code reads {_describe_readable()}. "
            f"What these say cannot be compared with it, since now {'; '.join(one.said for one in changed)}"
        )
    if number == current and found.schema.equals(schema):
        return found
    added = {name for at, change in CHANGES.items() if at > number for name in change.added}
    own = pa.schema([field for field in schema if field.name not in added])
    found = take_types(found, own)
    if fault := find_fault(found, own):
        raise ValueError(f"not measurements of version {number}, as it says, for {fault}")
    columns = [
        found[field.name] if field.name not in added else _fill_column(found, field, number)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _parse_version(text: str) -> int:
    if not (text.isascii() and text.isdigit() and str(int(text)) == text):
        raise ValueError(f"measurements of version {text!r}, and this code reads {_describe_readable()}")
    return int(text)


def _describe_readable() -> str:
    """The versions that can be read, in words."""
    current = max(CHANGES)
    oldest = max(at for at, change in CHANGES.items() if not change.same_meaning)
    return f"version {current}" if oldest == current else f"versions {oldest} to {current}"


def guess_version(found: pa.Table, schema: pa.Schema) -> str:
    """The version of a table that does not say it, as most who read and write one leave out: "" unless it is plain."""
    names = [name for name in found.schema.names if not INDEX.fullmatch(name)]
    return VERSION if sorted(names) == sorted(schema.names) else ""


def find_fault(found: pa.Table, wanted: pa.Schema) -> str | None:
    """What is wrong with the columns of a table, in words."""
    if lacking := [name for name in wanted.names if name not in found.schema.names]:
        return f"it lacks {_name_some(lacking)}"
    if more := [name for name in found.schema.names if name not in wanted.names]:
        return f"it has {_name_some(more)} besides"
    for field in wanted:
        if (kind := found.schema.field(field.name).type) != field.type:
            return f"{field.name} is of type {kind} and not {field.type}"
        if not field.nullable and found[field.name].null_count:
            return f"{field.name} is null somewhere"
    return None


def _name_some(names: Iterable[str]) -> str:
    shown = list(names)
    more = f" and {len(shown) - MOST_NAMED} more" if len(shown) > MOST_NAMED else ""
    return ", ".join(shown[:MOST_NAMED]) + more


def _fill_column(found: pa.Table, field: pa.Field, version: int) -> pa.Array:
    """A column that files of an older version lack. Raises ValueError where a value is needed and nothing tells it."""
    if spec_columns.can_derive(field.name):
        return spec_columns.derive_column(field.name, found)
    if field.nullable:
        return pa.nulls(len(found), field.type)
    raise ValueError(
        f"measurements of version {version}, which lack {field.name}, and nothing that they have tells it"
    )
