"""The columns of measurements that describe a dataset, an architecture or a recipe, in one list.

The schema, the rows and the fields of conditions follow from it. A field of a spec gets a column by a line here; the
others are in the column of the whole spec alone.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from typing import Any

import pyarrow as pa

from ..specs import Architecture, Run, parse_architecture, parse_dataset, parse_recipe, to_json

PLAIN = "plain"  # training that changes nothing of what has a default
TEXT, COUNT, NUMBER = pa.string(), pa.int64(), pa.float64()


@dataclass(frozen=True)
class SpecColumn:
    """A column that follows from the spec of its aspect.

    read: its value in a spec; None where the spec leaves it open, and only the record of a run has it. nullable:
    whether there may be no value. is_stored: whether files have it; otherwise `columns.add_columns` computes it.
    """

    name: str
    type: pa.DataType
    read: Callable[[Any], Any] | None
    nullable: bool = False
    is_stored: bool = True

    @property
    def field(self) -> pa.Field:
        """What the schema says of it."""
        return pa.field(self.name, self.type, nullable=self.nullable)


def _take_field(name: str, kind: pa.DataType) -> SpecColumn:
    """A field, or a property, by its own name."""
    return SpecColumn(name, kind, attrgetter(name))


def _take_size(name: str) -> SpecColumn:
    """A size of a decoder, null for models from elsewhere."""
    return SpecColumn(
        name, COUNT, lambda model: getattr(model, name) if isinstance(model, Architecture) else None, True
    )


def _take_junk(name: str, kind: pa.DataType, field: str, without: Any) -> SpecColumn:
    """A field of a recipe's junk. without: its value where there is no junk."""
    return SpecColumn(
        name, kind, lambda recipe: getattr(recipe.junk, field) if recipe.junk else without, without is None
    )


JUNK = (
    _take_junk("junk_share", NUMBER, "share", 0.0),
    _take_junk("junk_people", COUNT, "people", 0),
    _take_junk("junk_windows", TEXT, "windows", None),  # pure or mixed
    _take_junk("domain_token", TEXT, "domain_token", "none"),  # on which biographies: none, useful or junk
)
# by aspect of a run, in the order of the table
SPEC_COLUMNS: dict[str, tuple[SpecColumn, ...]] = {
    "dataset": (_take_field("kind", TEXT), _take_field("n_people", COUNT)),
    "architecture": (
        _take_field("family", TEXT),
        _take_size("layers"),
        _take_size("heads"),
        _take_size("width"),
    ),
    "recipe": (
        _take_field("exposures", COUNT),
        _take_field("lr", NUMBER),
        _take_field("weight_decay", NUMBER),
        _take_field("batch_size", COUNT),
        _take_field("window", COUNT),
        _take_field("warmup_steps", COUNT),
        *JUNK,
        SpecColumn("training", TEXT, lambda recipe: recipe.later_slug or PLAIN, is_stored=False),
        SpecColumn("qat", TEXT, lambda recipe: recipe.qat.slug if recipe.qat else None, True, False),
        _take_field("optimizer", TEXT),
        SpecColumn("precision", TEXT, None),  # of training: fp32, bf16 or fp16; a spec may say auto
    ),
}
PARSERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "dataset": parse_dataset,
    "architecture": parse_architecture,
    "recipe": parse_recipe,
}


def list_fields(aspect: str) -> list[pa.Field]:
    """The columns of an aspect in the schema, beside its name and its whole spec."""
    return [column.field for column in SPEC_COLUMNS[aspect] if column.is_stored]


def describe_specs(run: Run) -> dict[str, Any]:
    """The names, the specs and the columns above of a run, but for those that only its record has."""
    found: dict[str, Any] = {}
    for aspect, columns in SPEC_COLUMNS.items():
        spec = getattr(run, aspect)
        found |= {aspect: spec.slug, f"{aspect}_spec": to_json(spec)}
        found |= {one.name: one.read(spec) for one in columns if one.is_stored and one.read}
    return found


def can_derive(name: str) -> bool:
    """Whether a column follows from the spec of its aspect."""
    return name in _derivable_columns()


def derive_column(name: str, rows: pa.Table) -> pa.Array:
    """A column from the specs in a table that lacks it. Raises ValueError for a spec that cannot be read."""
    aspect, column = _derivable_columns()[name]
    assert column.read
    values = {}
    for text in rows[f"{aspect}_spec"].unique().to_pylist():
        try:
            value = pa.scalar(column.read(PARSERS[aspect](json.loads(text))), column.type).as_py()
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            raise ValueError(f"{aspect}_spec {text} is none, so there is no {name} ({error})") from error
        if value is None and not column.nullable:
            raise ValueError(f"{aspect}_spec {text} has no {name}")
        values[text] = value
    return pa.array([values[text] for text in rows[f"{aspect}_spec"].to_pylist()], column.type)


@cache
def _derivable_columns() -> dict[str, tuple[str, SpecColumn]]:
    """By name, the stored columns that follow from the spec of an aspect, with the aspect."""
    return {
        column.name: (aspect, column)
        for aspect, columns in SPEC_COLUMNS.items()
        for column in columns
        if column.is_stored and column.read
    }
