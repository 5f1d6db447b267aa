"""Measurements: one row per variant of a run, in a fixed schema.

A run that diverged has one row, with the reason in `diverged` and null for everything that came out.
Units: losses in nats per person, summed over tokens (for bioD's values: per person and attribute); bits in
bits per dataset; ratios in bits per parameter; seconds on `device`.
"""

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ..files import UserError, read_parquet, remake_remedy, write_parquet
from .other_writers import store_plainly
from .spec_columns import list_fields
from .versions import VERSION, NewerVersion, find_fault, guess_version, read_as_current

DATA_LIMITED = 0.9  # a run with R at or above this share of R_max measures its dataset, not its capacity

BUSY = ", beside other work"  # at the end of a device whose seconds are no measure of it

SCHEMA = pa.schema(
    [
        # what was run; spec_columns.py lists the columns that describe dataset, architecture and recipe
        pa.field("run", pa.string(), nullable=False),
        pa.field("dataset", pa.string(), nullable=False),
        *list_fields("dataset"),
        pa.field("dataset_spec", pa.string(), nullable=False),
        pa.field("architecture", pa.string(), nullable=False),
        pa.field("architecture_spec", pa.string(), nullable=False),
        *list_fields("architecture"),
        pa.field("recipe", pa.string(), nullable=False),
        pa.field("recipe_spec", pa.string(), nullable=False),
        *list_fields("recipe"),
        pa.field("seed", pa.int64(), nullable=False),
        pa.field("experiments", pa.list_(pa.string())),  # that ask for it, once a study has collected it
        pa.field(
            "lr_tried", pa.list_(pa.float64())
        ),  # all that this study tries for this run; see `selection`
        pa.field("lr_best", pa.bool_()),
        pa.field("variant", pa.string(), nullable=False),
        pa.field("variant_spec", pa.string()),  # the quantizer or extraction; null as trained
        pa.field("quantized", pa.list_(pa.string())),  # the matrices it stores, * for any layer
        pa.field("bits_per_weight", pa.float64(), nullable=False),  # mean over all weights, scales included
        pa.field("people_scored", pa.int64()),  # so many people stand for all
        # what came out
        pa.field("diverged", pa.string()),  # why there is no result
        pa.field("n_parameters", pa.int64(), nullable=False),
        pa.field("used_tokens", pa.int64(), nullable=False),
        pa.field("loss_name", pa.float64()),
        pa.field("loss_value", pa.float64()),
        pa.field("loss_value1", pa.float64()),  # bioD only
        pa.field("loss_by_attribute", pa.map_(pa.string(), pa.float64())),
        pa.field(
            "facts_right", pa.float64()
        ),  # biographies: mean probability of the right value, names left out
        pa.field("accuracy_by_attribute", pa.map_(pa.string(), pa.float64())),  # of answers to questions
        pa.field("commonest_answer_by_attribute", pa.map_(pa.string(), pa.float64())),  # its share of answers
        pa.field("bits_by_attribute", pa.map_(pa.string(), pa.float64())),  # they sum to bits_learned
        pa.field("bits_name", pa.float64()),
        pa.field("bits_value", pa.float64()),
        pa.field("bits_sets", pa.float64()),
        pa.field("bits_learned", pa.float64()),
        pa.field("bits_learned_low", pa.float64()),
        pa.field("bits_learned_high", pa.float64()),
        pa.field("bits_learned_naive", pa.float64()),  # employer scored after its city too
        pa.field("bits_max", pa.float64(), nullable=False),
        pa.field("capacity_ratio", pa.float64()),  # R = bits_learned / n_parameters
        pa.field("capacity_ratio_max", pa.float64(), nullable=False),
        pa.field("data_limited", pa.bool_()),
        pa.field("routing_dropped", pa.float64()),  # mixtures of experts: the choices dropped in training
        # what it cost
        pa.field("train_steps", pa.int64(), nullable=False),
        pa.field("train_tokens", pa.int64(), nullable=False),
        pa.field("train_seconds", pa.float64(), nullable=False),
        pa.field("train_flops", pa.float64(), nullable=False),  # 6 · n_parameters · train_tokens
        pa.field("measure_seconds", pa.float64()),
        pa.field("device", pa.string(), nullable=False),
        pa.field(
            "engine", pa.string(), nullable=False
        ),  # how steps were run: native (C++), eager, compiled or captured
        # where it came from
        pa.field("train_code", pa.string(), nullable=False),
        pa.field("capacity_code", pa.string(), nullable=False),
        pa.field("python", pa.string(), nullable=False),
        pa.field("torch", pa.string(), nullable=False),
        pa.field("trained_at", pa.string(), nullable=False),  # ISO 8601, UTC
    ],
    metadata={"measurements": VERSION},
)


def build_table(rows: list[dict[str, Any]]) -> pa.Table:
    """Rows as a table in the schema."""
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def write_measurements(path: Path, table: pa.Table, metadata: dict[str, str] | None = None) -> None:
    """Write a table in the schema as plain Parquet, which `read_measurements`, pandas, polars and duckdb read."""
    write_parquet(path, store_plainly(table), metadata)


def read_measurements(path: Path, source: str | None = None) -> pa.Table:
    """A measurements file, in the present schema even if an older version made it.

    source: what to call it, if it is not a result of this study that could be made again. Raises UserError for a file
    that is missing, damaged, in another schema, of a version that `versions.CHANGES` does not let be read, or that
    has a measurement twice.
    """
    name = source or path
    if not source and path.is_dir():
        raise UserError(f"{name}: this is a folder. Name a file, such as {path / 'measurements.parquet'}.")
    if not source and not path.is_file():
        raise UserError(f"{name}: there is no such file. Run `make study` first, or name another file.")
    if source:
        whole = "Ask whoever made it for a whole one."
        current = "Ask whoever made it to make it again with this code."
    elif _is_made_here(path):
        whole = current = remake_remedy(Path(os.path.relpath(path)))
    else:
        whole = "This is no file of measurements; name one that is."
        current = "Make them again with this code, or read them with the code that made them."
    found = read_parquet(path, name, whole)
    version = (found.schema.metadata or {}).get(b"measurements", b"").decode(errors="replace")
    version = version or guess_version(found, SCHEMA)
    if not version:
        fault = find_fault(found, SCHEMA)
        raise UserError(f"{name}: a Parquet file that was not written as measurements: {fault}. {whole}")
    try:
        table = read_as_current(found, version, SCHEMA)
    except NewerVersion as error:
        raise UserError(
            f"{name}: {error}. Update this code, as by git pull, or name another file."
        ) from error
    except ValueError as error:
        raise UserError(f"{name}: {error}. {current}") from error
    _refuse_twice(table, name)
    return table


def _refuse_twice(table: pa.Table, name: str | Path) -> None:
    """Raise UserError where one measurement stands in two rows, which would count as two runs."""
    counts = table.group_by(["run", "variant"]).aggregate([([], "count_all")])
    twice = counts.filter(pc.greater(counts["count_all"], 1))
    if len(twice):
        first = twice.slice(0, 1).to_pylist()[0]
        raise UserError(
            f"{name}: {first['run']} {first['variant']} stands in {first['count_all']} rows (and so do "
            f"{len(twice) - 1} others). Leave one row of each, as by DISTINCT."
        )


def _is_made_here(path: Path) -> bool:
    """Whether the workflow makes this file, so that a damaged one may be deleted."""
    match Path(os.path.relpath(path)).parts:
        case ("results", "measurements.parquet"):
            return True
        case ("results", "runs", *_, "measurements.parquet" | "extraction.parquet"):
            return True
    return False
