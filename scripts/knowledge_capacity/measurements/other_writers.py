"""Tables as pandas, polars and duckdb write them: what means the same, in the types of our schema.

They write texts and lists as large ones, maps as lists of key and value, whole numbers with gaps as floats, a column
without values as one of no type, and any column as one that may be null; pandas adds its index.
"""

import re
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.types as kinds

INDEX = re.compile(r"__index_level_\d+__")


def plain_type(wanted: pa.DataType) -> pa.DataType:
    """What a type is stored as: of a map, a list of key and value, which all readers know."""
    if kinds.is_map(wanted):
        return pa.list_(pa.struct([("key", wanted.key_type), ("value", wanted.item_type)]))
    return wanted


def store_plainly(table: pa.Table) -> pa.Table:
    """A table for a file, without maps."""
    for i, field in enumerate(table.schema):
        if kinds.is_map(field.type):
            pairs = [
                None if map_ is None else [{"key": k, "value": v} for k, v in map_]
                for map_ in table[i].to_pylist()
            ]
            stored = pa.field(field.name, plain_type(field.type), field.nullable)
            table = table.set_column(i, stored, pa.array(pairs, stored.type))
    return table


def take_types(found: pa.Table, schema: pa.Schema) -> pa.Table:
    """A table with its columns as in a schema where they mean the same; the others stay as they are."""
    names = [name for name in found.schema.names if not INDEX.fullmatch(name)]
    known = [name for name in schema.names if name in names]
    others = [name for name in names if name not in known]
    taken = found.select([*known, *others])
    for i, name in enumerate(known):
        wanted = schema.field(name).type
        try:
            column = _take_type(taken[name], wanted)
        except (
            pa.ArrowInvalid,
            pa.ArrowNotImplementedError,
            pa.ArrowTypeError,
            TypeError,
            ValueError,
            KeyError,
        ):
            continue
        if column is not None:
            taken = taken.set_column(i, pa.field(name, wanted, taken.schema.field(name).nullable), column)
    return taken


def _take_type(column: pa.ChunkedArray, wanted: pa.DataType) -> pa.ChunkedArray | pa.Array | None:
    """A column in another type; None where it does not mean the same. May raise errors of pyarrow."""
    if column.type == wanted:
        return column
    if kinds.is_map(wanted) and (_is_list(column.type) or kinds.is_map(column.type)):
        return pa.array([None if one is None else _pairs(one) for one in column.to_pylist()], wanted)
    if _is_text(column.type) and _is_text(wanted):
        return column.cast(wanted)
    if kinds.is_integer(column.type) and kinds.is_integer(wanted):
        return column.cast(wanted)
    if kinds.is_floating(column.type) and kinds.is_integer(wanted):
        return column.cast(wanted)  # which refuses fractions
    if kinds.is_floating(wanted) and kinds.is_float64(column.type):
        return column.cast(wanted)
    if _is_list(column.type) and _is_list(wanted):
        value, into = column.type.value_type, wanted.value_type
        same = value == into or kinds.is_null(value) or (_is_text(value) and _is_text(into))
        return column.cast(wanted) if same else None
    if kinds.is_null(column.type) or column.null_count == len(column):
        return pa.nulls(len(column), wanted)
    return None


def _pairs(one: Iterable[Any]) -> list[tuple[Any, Any]]:
    return [(pair["key"], pair["value"]) if isinstance(pair, dict) else tuple(pair) for pair in one]


def _is_text(kind: pa.DataType) -> bool:
    if kinds.is_dictionary(kind):
        return _is_text(kind.value_type)
    return bool(kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_string_view(kind))


def _is_list(kind: pa.DataType) -> bool:
    return bool(kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind))
