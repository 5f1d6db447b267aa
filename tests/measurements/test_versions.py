"""Files of measurements that older and newer versions made: what is read of them, and what is refused."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from knowledge_capacity.files import UserError
from knowledge_capacity.measurements import sources, versions
from knowledge_capacity.measurements.measurement_table import (
    SCHEMA,
    read_measurements,
    write_measurements,
)
from knowledge_capacity.measurements.versions import CHANGES, Change

PUBLISHED = Path(__file__).parents[2] / "results/published/measurements.parquet"
CURRENT = max(CHANGES)
OLDEST = min(CHANGES)


@pytest.fixture(scope="module")
def published() -> pa.Table:
    """Real measurements: of facts and of random strings, with and without junk, some of them diverged."""
    whole = read_measurements(PUBLISHED)
    unlike = whole.group_by(["dataset", "recipe", "variant"]).aggregate([("run", "min")])
    return whole.filter(pc.is_in(whole["run"], unlike["run_min"])).slice(0, 300)


def write_version(folder: Path, table: pa.Table, version: int | str) -> Path:
    """A file of measurements that says it is of this version."""
    file = folder / f"version{version}.parquet"
    pq.write_table(table.replace_schema_metadata({"measurements": str(version)}), file)
    return file


def add_version(
    monkeypatch: pytest.MonkeyPatch, *added: str, same_meaning: bool = True, said: str = "more is known"
) -> None:
    """As if the next version of the table had added these columns, which it has already."""
    monkeypatch.setitem(versions.CHANGES, CURRENT + 1, Change(said, added, same_meaning))


def test_a_file_of_the_present_version_stays_as_it_is(tmp_path: Path) -> None:
    read = read_measurements(PUBLISHED)
    assert read.schema.equals(SCHEMA, check_metadata=True)
    plain = pq.read_table(PUBLISHED)
    for name in ("run", "capacity_ratio", "lr_tried"):
        assert read[name].to_pylist() == plain[name].to_pylist()
    write_measurements(tmp_path / "again.parquet", read)
    assert read_measurements(tmp_path / "again.parquet").equals(read, check_metadata=True)


def test_published_measurements_are_of_a_version_that_says_what_it_lacks() -> None:
    schema = pq.read_schema(PUBLISHED)
    number = int(schema.metadata[b"measurements"])
    later = {name for at, change in CHANGES.items() if at > number for name in change.added}
    unsaid = set(SCHEMA.names) - later - set(schema.names)
    assert not unsaid, f"CHANGES in measurements/versions.py lacks a version that adds {unsaid}"


def test_the_table_of_versions_is_whole() -> None:
    assert list(CHANGES) == list(range(OLDEST, CURRENT + 1))
    assert str(CURRENT) == versions.VERSION == SCHEMA.metadata[b"measurements"].decode()
    assert not CHANGES[OLDEST].same_meaning  # what came before it cannot be read
    assert all(change.same_meaning for at, change in CHANGES.items() if at > OLDEST)
    added = [name for change in CHANGES.values() for name in change.added]
    assert set(added) <= set(SCHEMA.names)
    assert len(added) == len(set(added))
    # sources must agree in these, so no file that can be read may lack them
    assert not {name for at, one in CHANGES.items() if at > OLDEST for name in one.added} & set(
        sources.RESULTS
    )


@pytest.mark.parametrize("version", range(OLDEST, CURRENT))
def test_an_older_file_has_what_it_had_and_no_more(tmp_path: Path, published: pa.Table, version: int) -> None:
    lacking = [name for at, change in CHANGES.items() if at > version for name in change.added]
    file = write_version(tmp_path, published.drop_columns(lacking), version)
    found = read_measurements(file)
    assert found.schema.equals(SCHEMA, check_metadata=True)
    assert found.drop_columns(lacking).to_pylist() == published.drop_columns(lacking).to_pylist()
    assert all(found[name].null_count == len(published) for name in lacking)
    # it merges with what is there, which knows more
    merged = sources.merge_tables({"old": sources.read_source(str(file), tmp_path), "new": published})
    assert merged["experiments"].to_pylist() == published["experiments"].to_pylist()


def test_columns_that_an_older_file_lacks_follow_from_its_specs_or_are_unknown(
    tmp_path: Path, published: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    derived = ["weight_decay", "layers", "kind", "junk_share", "junk_windows"]
    add_version(monkeypatch, *derived, "routing_dropped", "loss_by_attribute")
    lacking = published.drop_columns([*derived, "routing_dropped", "loss_by_attribute"])
    found = read_measurements(write_version(tmp_path, lacking, CURRENT))
    assert found.schema.equals(SCHEMA)
    assert found.select(derived).to_pylist() == published.select(derived).to_pylist()
    assert found["loss_by_attribute"].null_count == found["routing_dropped"].null_count == len(published)
    assert found.select(lacking.column_names).to_pylist() == lacking.to_pylist()
    empty = read_measurements(write_version(tmp_path, lacking.slice(0, 0), CURRENT))
    assert (empty.schema, len(empty)) == (SCHEMA, 0)
    # the oldest that can be read
    since = [name for at in range(OLDEST + 1, CURRENT + 1) for name in CHANGES[at].added]
    oldest = write_version(tmp_path, lacking.drop_columns(since), OLDEST)
    assert read_measurements(oldest).num_rows == len(published)


@pytest.mark.parametrize("name", ["precision", "device", "n_parameters"])
def test_an_older_file_that_cannot_tell_what_is_needed_is_refused(
    tmp_path: Path, published: pa.Table, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    add_version(monkeypatch, name)
    file = write_version(tmp_path, published.drop_columns([name]), CURRENT)
    said = f"measurements of version {CURRENT}, which lack {name}, and nothing that they have tells it"
    with pytest.raises(UserError, match=rf"version{CURRENT}\.parquet: {said}\. Make them again"):
        read_measurements(file)


@pytest.mark.parametrize(
    "spec", ["{", "null", '{"noise": 1}', '{"exposures": 1, "lr": 1, "weight_decay": "x"}']
)
def test_a_spec_that_is_none_tells_no_column(
    tmp_path: Path, published: pa.Table, monkeypatch: pytest.MonkeyPatch, spec: str
) -> None:
    add_version(monkeypatch, "weight_decay")
    broken = published.slice(0, 1).drop_columns(["weight_decay"])
    index = broken.column_names.index("recipe_spec")
    broken = broken.set_column(index, SCHEMA.field("recipe_spec"), pa.array([spec]))
    with pytest.raises(UserError, match=r"recipe_spec .* is none, so there is no weight_decay"):
        read_measurements(write_version(tmp_path, broken, CURRENT))


def test_a_file_that_means_something_else_is_refused(
    tmp_path: Path, published: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_version(tmp_path, published, OLDEST - 1)
    with pytest.raises(UserError) as error:
        read_measurements(file)
    assert str(error.value) == (
        f"{file}: measurements of version {OLDEST - 1}, and this code reads versions {OLDEST} to {CURRENT}. What these "
        "say cannot be compared with it, since now the scales of a variant are stored, and counted, in 16 bits. Make "
        "them again with this code, or read them with the code that made them."
    )
    with pytest.raises(UserError, match=r"source .*Ask whoever made it to make it again with this code\."):
        sources.read_source(str(file), tmp_path)
    add_version(monkeypatch, said="bits are counted otherwise", same_meaning=False)
    file = write_version(tmp_path, published, CURRENT)
    with pytest.raises(
        UserError, match=f"reads version {CURRENT + 1}.* since now bits are counted otherwise"
    ):
        read_measurements(file)


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path, published: pa.Table) -> None:
    for table in (published, published.append_column("noise", pa.nulls(len(published), pa.float64()))):
        file = write_version(tmp_path, table, CURRENT + 1)
        with pytest.raises(UserError) as error:
            read_measurements(file)
        assert str(error.value) == (
            f"{file}: made by a newer version of this project: these are measurements of version {CURRENT + 1}, and "
            f"this code reads versions {OLDEST} to {CURRENT}. Update this code, as by git pull, or name another file."
        )


@pytest.mark.parametrize("version", ["new", "-1", "05", "4.5", "٤"])
def test_a_version_that_is_none_is_refused(tmp_path: Path, published: pa.Table, version: str) -> None:
    file = write_version(tmp_path, published, version)
    with pytest.raises(UserError, match=f"measurements of version '{version}', and this code reads versions"):
        read_measurements(file)


@pytest.mark.parametrize("version", [OLDEST, CURRENT])
def test_columns_that_a_version_does_not_have_are_refused(
    tmp_path: Path, published: pa.Table, version: int
) -> None:
    lacking = [name for at, change in CHANGES.items() if at > version for name in change.added]
    table = published.drop_columns(lacking)

    def said(table: pa.Table) -> str:
        with pytest.raises(UserError) as error:
            read_measurements(write_version(tmp_path, table, version))
        return str(error.value)

    not_ours = f"not measurements of version {version}, as it says, for"
    assert f"{not_ours} it lacks seed." in said(table.drop_columns(["seed"]))
    assert f"{not_ours} it lacks routing_dropped." in said(table.drop_columns(["routing_dropped"]))
    assert f"{not_ours} it lacks run, dataset, kind, n_people, dataset_spec and " in said(
        table.select(["seed"])
    )
    assert f"{not_ours} it has noise besides." in said(table.append_column("noise", table["seed"]))
    index = table.column_names.index("weight_decay")
    words = table.set_column(index, "weight_decay", table["weight_decay"].cast(pa.string()))
    assert f"{not_ours} weight_decay is of type string and not double." in said(words)
    unknown = table.set_column(index, "weight_decay", pa.nulls(len(table), pa.float64()))
    assert f"{not_ours} weight_decay is null somewhere." in said(unknown)


def test_a_file_without_a_version_is_refused(tmp_path: Path, published: pa.Table) -> None:
    """Unless it has all columns of the present one, as a copy that another tool made."""
    plain = published.replace_schema_metadata({})
    pq.write_table(plain.drop_columns(["experiments"]), tmp_path / "plain.parquet")
    said = "a Parquet file that was not written as measurements: it lacks experiments"
    with pytest.raises(UserError, match=said):
        read_measurements(tmp_path / "plain.parquet")
    pq.write_table(plain, tmp_path / "copy.parquet")
    assert read_measurements(tmp_path / "copy.parquet").equals(published)
    pq.write_table(published.replace_schema_metadata({"measurements": b"\xff"}), tmp_path / "bytes.parquet")
    with pytest.raises(UserError, match="measurements of version"):
        read_measurements(tmp_path / "bytes.parquet")
