"""Copies of measurements that other tools made: taken where they mean the same, else told which column differs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as kinds
import pytest
from knowledge_capacity.files import UserError
from knowledge_capacity.measurements.measurement_table import SCHEMA, read_measurements, write_measurements
from knowledge_capacity.measurements.sources import read_source

PUBLISHED = Path(__file__).parents[2] / "results" / "published" / "measurements.parquet"
KEPT = "width", 16  # of the rows, those of this column and value


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published measurements as this code writes them."""
    path = tmp_path_factory.mktemp("plain") / "measurements.parquet"
    write_measurements(path, read_measurements(PUBLISHED))
    return path


def by_pandas(path: Path, to: Path) -> None:
    import pandas as pd

    rows = pd.read_parquet(path)
    rows[rows[KEPT[0]] == KEPT[1]].to_parquet(to)


def by_pandas_without_an_index(path: Path, to: Path) -> None:
    import pandas as pd

    rows = pd.read_parquet(path)
    rows[rows[KEPT[0]] == KEPT[1]].to_parquet(to, index=False)


def by_polars(path: Path, to: Path) -> None:
    polars = pytest.importorskip("polars")
    polars.read_parquet(path).filter(polars.col(KEPT[0]) == KEPT[1]).write_parquet(to)


def by_duckdb(path: Path, to: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    duckdb.sql(f"COPY (SELECT * FROM '{path}' WHERE {KEPT[0]} = {KEPT[1]}) TO '{to}'")  # noqa: S608 (paths of a test)


WRITERS = [by_pandas, by_pandas_without_an_index, by_polars, by_duckdb]


@pytest.mark.parametrize("write", WRITERS)
def test_a_copy_that_somebody_filtered_is_a_source(
    plain: Path, tmp_path: Path, write: Callable[[Path, Path], None]
) -> None:
    write(plain, tmp_path / "theirs.parquet")
    found = read_source(str(tmp_path / "theirs.parquet"), tmp_path)
    assert found.schema.equals(SCHEMA)
    assert found.to_pylist() == [
        row for row in read_measurements(PUBLISHED).to_pylist() if row[KEPT[0]] == KEPT[1]
    ]
    assert len(found)


def test_stored_measurements_have_no_maps_and_older_files_are_read(plain: Path) -> None:
    stored = pq.read_schema(plain)
    assert not [field.name for field in stored if kinds.is_map(field.type)]
    assert stored.metadata[b"measurements"] == SCHEMA.metadata[b"measurements"]
    assert read_measurements(plain).equals(read_measurements(PUBLISHED))
    maps = pa.table(read_measurements(PUBLISHED).columns, schema=SCHEMA)
    pq.write_table(maps, plain.with_name("maps.parquet"))
    assert read_measurements(plain.with_name("maps.parquet")).equals(maps)


def retype(kind: pa.DataType) -> pa.DataType:
    """Another type for the same, as other libraries have them."""
    if kinds.is_string(kind):
        return pa.large_string()
    return pa.large_list(retype(kind.value_type)) if kinds.is_list(kind) else kind


SAME: dict[str, Callable[[pa.Table], pa.Table]] = {
    "all may be null": lambda t: t.cast(pa.schema([pa.field(f.name, f.type) for f in t.schema])),
    "large texts and lists": lambda t: t.cast(pa.schema([pa.field(f.name, retype(f.type)) for f in t.schema])),
    "no word of a version": lambda t: t.replace_schema_metadata(None),
    "columns in another order": lambda t: t.select(sorted(t.schema.names)),
    "smaller numbers": lambda t: t.set_column(
        t.schema.get_field_index("seed"), "seed", t["seed"].cast(pa.int16())
    ),
    "whole numbers as floats": lambda t: t.set_column(
        t.schema.get_field_index("people_scored"), "people_scored", t["people_scored"].cast(pa.float64())
    ),
    "texts by number": lambda t: t.set_column(
        t.schema.get_field_index("variant"), "variant", t["variant"].dictionary_encode()
    ),
    "no type where nothing is": lambda t: t.set_column(
        t.schema.get_field_index("diverged"), "diverged", pa.nulls(len(t))
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SAME)
def test_what_means_the_same_is_taken(tmp_path: Path, case: str) -> None:
    mine = read_measurements(PUBLISHED)
    mine = mine.filter(mine["diverged"].is_null())
    pq.write_table(SAME[case](mine), tmp_path / "theirs.parquet")
    assert read_measurements(tmp_path / "theirs.parquet").equals(mine)


def changed(name: str, values: Callable[[Any], Any]) -> Callable[[pa.Table], pa.Table]:
    return lambda t: t.set_column(
        t.schema.get_field_index(name), name, pa.array([values(v) for v in t[name].to_pylist()])
    )


OTHERS: dict[str, tuple[Callable[[pa.Table], pa.Table], str]] = {
    "numbers as texts": (changed("bits_learned", str), "bits_learned is of type string and not double"),
    "fractions": (changed("people_scored", lambda v: 0.5), "people_scored is of type double and not int64"),
    "a gap": (changed("bits_max", lambda v: None if v > 1e4 else v), "bits_max is null somewhere"),
    "rows twice": (lambda t: pa.concat_tables([t, t.slice(3, 1)]), r"stands in 2 rows .*Leave one row of each"),
    "fewer columns": (lambda t: t.drop_columns(["lr"]).replace_schema_metadata(None), "it lacks lr"),
    "more columns": (lambda t: t.append_column("mine", t["lr"]), "it has mine besides"),
    "other pairs": (
        changed("bits_by_attribute", lambda v: v and [{"name": k, "bits": b} for k, b in v]),
        "bits_by_attribute is of type list<",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", OTHERS)
def test_the_first_column_that_differs_is_named(tmp_path: Path, case: str) -> None:
    change, said = OTHERS[case]
    pq.write_table(change(read_measurements(PUBLISHED)), tmp_path / "theirs.parquet")
    with pytest.raises(UserError, match=f"theirs.parquet.*{said}"):
        read_source(str(tmp_path / "theirs.parquet"), tmp_path)
