"""Measurements from elsewhere: what is read, what is refused, and how several sources become one table."""

import http.server
import json
import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.run_workflow import TIMEOUT
from knowledge_capacity.files import UserError, write_parquet
from knowledge_capacity.measurements import collecting, locations, measurement_table, sources

PUBLISHED = Path(__file__).parents[2] / "results/published"
Row = dict[str, Any]


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """Ten real measurements, three precisions of each run."""
    found: list[Row] = measurement_table.read_measurements(PUBLISHED / "measurements.parquet").to_pylist()
    return [row for row in found if row["dataset"].startswith("bioD-200-K2-C4-")][:10]


def written(folder: Path, rows: list[Row]) -> Path:
    write_parquet(
        folder / "measurements.parquet", pa.Table.from_pylist(rows, schema=measurement_table.SCHEMA)
    )
    return folder


def test_a_file_and_its_folder_are_the_same_source(tmp_path: Path, rows: list[Row]) -> None:
    folder = written(tmp_path / "theirs", rows)
    by_folder = sources.read_source(str(folder), Path("results"))
    assert by_folder.equals(sources.read_source(str(folder / "measurements.parquet"), Path("results")))
    assert by_folder.to_pylist() == rows


def test_published_are_those_beside_the_study(tmp_path: Path, rows: list[Row]) -> None:
    written(tmp_path / "published", rows)
    assert sources.read_source("published", tmp_path).num_rows == 10
    assert locations.parse_sources(" published, ../theirs,, https://example.org/x ") == [
        "published",
        "../theirs",
        "https://example.org/x",
    ]


def changed(**fields: Any) -> Callable[[Row], Row]:
    return lambda row: {**row, **fields}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (changed(capacity_ratio=5.0), "capacity_ratio = 5.0 is not bits_learned / n_parameters"),
        (changed(n_parameters=0), "n_parameters = 0 and bits_max"),
        (changed(bits_learned_low=1e9), "lies outside of its interval"),
        (changed(dataset="other"), "its name is not that of its dataset"),
        (changed(recipe_spec="{"), "recipe_spec is not JSON"),
        (changed(bits_learned=None), "say in `diverged` why"),
        (changed(diverged="nan"), "say in `diverged` why"),
        (
            lambda row: {
                **row,
                "bits_learned": 2 * row["bits_max"],
                "bits_learned_high": 2 * row["bits_max"],
                "capacity_ratio": 2 * row["bits_max"] / row["n_parameters"],
            },
            "is more than there are to learn",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_numbers_that_contradict_each_other_are_refused(
    tmp_path: Path, rows: list[Row], change: Callable[[Row], Row], said: str
) -> None:
    folder = written(tmp_path, [rows[0], change(rows[1])])
    with pytest.raises(UserError, match=f"source .*{rows[1]['variant']}") as error:
        sources.read_source(str(folder), Path("results"))
    assert said in str(error.value)


def test_other_files_are_refused(tmp_path: Path, rows: list[Row]) -> None:
    with pytest.raises(UserError, match="there is no file"):
        sources.read_source(str(tmp_path / "none"), tmp_path)
    (tmp_path / "text.parquet").write_text("no")
    with pytest.raises(UserError, match="not a readable Parquet file"):
        sources.read_source(str(tmp_path / "text.parquet"), tmp_path)
    old = pa.Table.from_pylist(rows, schema=measurement_table.SCHEMA).drop_columns("experiments")
    pq.write_table(old, tmp_path / "old.parquet")
    with pytest.raises(UserError, match="not measurements of version"):
        sources.read_source(str(tmp_path / "old.parquet"), tmp_path)


def table(rows: list[Row]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=measurement_table.SCHEMA)


def test_sources_are_merged_and_a_measurement_serves_the_experiments_of_all(rows: list[Row]) -> None:
    again = {
        **rows[2],
        "experiments": ["mine"],
        "trained_at": "later",
        "train_seconds": 1.0,
        "device": "another",
    }
    merged = sources.merge_tables({"a": table(rows[:3]), "b": table([again, *rows[3:5]])}).to_pylist()
    assert [row["run"] for row in merged] == [row["run"] for row in rows[:5]]
    assert merged[2] == {**rows[2], "experiments": [*rows[2]["experiments"], "mine"]}


def test_a_function_that_was_edited_between_its_seeds_is_refused() -> None:
    """Its name stays, and a mean over seeds would be one of two models."""
    table = measurement_table.read_measurements(PUBLISHED / "measurements.parquet")
    found = [row for row in table.to_pylist() if row["architecture"].startswith("looped-")]
    parts = [[row for row in found if (row["seed"] < 4) is early] for early in (True, False)]
    first, second = (pa.Table.from_pylist(part, schema=measurement_table.SCHEMA) for part in parts)
    assert sources.merge_tables({"a": first, "b": second}).num_rows == len(found)
    edited = [{**row, "train_code": row["train_code"][:-12] + "0123456789ab"} for row in parts[1]]
    with pytest.raises(
        UserError, match=r"looped\.py:looped had other code for .* in a than for .*seed\d in b"
    ):
        sources.merge_tables({"a": first, "b": pa.Table.from_pylist(edited, schema=measurement_table.SCHEMA)})
    retrained = [{**row, "train_code": "fedcba987654" + row["train_code"][-12:]} for row in parts[1]]
    again = pa.Table.from_pylist(retrained, schema=measurement_table.SCHEMA)
    assert sources.merge_tables({"a": first, "b": again}).num_rows == len(found)


def test_sources_that_disagree_are_refused_by_name(rows: list[Row]) -> None:
    other = {**rows[2], "bits_learned": rows[2]["bits_learned"] * 1.01}
    with pytest.raises(UserError, match=r"Sources disagree: .*bits_learned is .* in a and .* in b"):
        sources.merge_tables({"a": table(rows), "b": table([other])})
    many = [{**row, "bits_learned": 0.0} for row in rows]
    with pytest.raises(UserError, match=r"\(and 5 more\)"):
        sources.merge_tables({"a": table(rows), "b": table(many)})


@pytest.fixture
def address(tmp_path: Path, rows: list[Row], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server with measurements, by a certificate that is trusted for the test."""
    if not shutil.which("openssl"):
        pytest.skip("there is no openssl to make a certificate with")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext".split()
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(
        [*command, "subjectAltName=DNS:localhost", *files], check=True, capture_output=True, timeout=TIMEOUT
    )
    folder = written(tmp_path / "theirs", rows)
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("localhost", 0), handler) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        yield f"https://localhost:{server.server_port}"
        server.shutdown()


def test_measurements_are_read_from_an_address(address: str, rows: list[Row]) -> None:
    for where in (address, f"{address}/measurements.parquet"):
        assert sources.read_source(where, Path("results")).to_pylist() == rows
    with pytest.raises(
        UserError, match=r"source https://localhost.*none/measurements\.parquet cannot be had"
    ):
        sources.read_source(f"{address}/none", Path("results"))


def test_what_is_asked_is_found_by_run_and_variant(tmp_path: Path, rows: list[Row]) -> None:
    by_run: dict[str, list[Row]] = {}
    for row in rows:
        by_run.setdefault(row["run"], []).append(row)
    for run, own in by_run.items():
        written(tmp_path / run, own)
    first = rows[0]
    grid = [first["dataset"], [first["architecture"]], [first["recipe"]], [first["seed"]]]
    text = measured_for(one=(grid, ["fp32"]), two=(grid, ["fp32", "int8-rtn"]))
    wanted = collecting.parse_requests(text)
    assert wanted == {first["run"]: {"fp32": ["one", "two"], "int8-rtn": ["two"]}}
    found = {
        row["variant"]: row["experiments"]
        for row in collecting.collect_measurements(wanted, tmp_path).to_pylist()
    }
    assert found == {"fp32": ["one", "two"], "int8-rtn": ["two"]}  # int4-rtn is there for another study
    alone = collecting.parse_requests(measured_for(two=(grid, ["int8-rtn"])))
    kept = {
        row["variant"]: row["experiments"]
        for row in collecting.collect_measurements(alone, tmp_path).to_pylist()
    }
    assert kept == {"fp32": [], "int8-rtn": ["two"]}


def measured_for(**experiments: Any) -> str:
    return json.dumps(
        {name: {"grids": [grid], "variants": variants} for name, (grid, variants) in experiments.items()}
    )
