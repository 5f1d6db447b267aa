"""Figures and scorecard from measurements that were made before, and publishing measurements, as a user does both."""

import sys
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.run_workflow import ROOT, copy_tree, make, planned, snakemake
from knowledge_capacity.measurements import measurement_table

pytestmark = pytest.mark.slow

PUBLISHED = ROOT / "results/published"
Row = dict[str, Any]


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """Measurements for two experiments, of runs that are in both."""
    found: list[Row] = measurement_table.read_measurements(PUBLISHED / "measurements.parquet").to_pylist()
    of = ["base_law", "quantization"]
    kept = [
        {**row, "experiments": [name for name in row["experiments"] or () if name in of]} for row in found
    ]
    return [row for row in kept if row["experiments"]]


def theirs(folder: Path, rows: list[Row]) -> str:
    """A folder of somebody's measurements."""
    folder.mkdir()
    pq.write_table(
        pa.Table.from_pylist(rows, schema=measurement_table.SCHEMA), folder / "measurements.parquet"
    )
    return str(folder)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_published_measurements_make_every_figure_they_are_for_without_a_run(tmp_path: Path) -> None:
    folder = copy_tree(tmp_path / "a clone")
    (folder / "results").mkdir(exist_ok=True)
    (folder / "results/published").symlink_to(PUBLISHED)
    assert planned(folder, "figures", "--config", "source=published") == {
        "collect_sources": 1,
        "draw": 1,
        "figures": 1,
    }
    plan = make(folder, "--dry-run", "figures", "SOURCE=published", "CORES=2")
    assert 'snakemake --workflow-profile envs/local --cores 2 figures  --config "source=published"' in plan
    said = snakemake(folder, "--cores", "2", "results/measurements.parquet", "--config", "source=published")
    assert "collect" in said
    made = measurement_table.read_measurements(folder / "results/measurements.parquet")
    assert made.equals(measurement_table.read_measurements(PUBLISHED / "measurements.parquet"))
    snakemake(folder, "--cores", "2", "figures", "--config", "source=published")
    for one in PUBLISHED.glob("*.png"):
        for file in (one, one.with_suffix(".md")):
            assert (folder / "results/figures" / file.name).read_bytes() == file.read_bytes()
    assert planned(folder, "figures", "--config", "source=published") == {}


def test_a_source_that_cannot_be_read_is_refused_before_any_job(tmp_path: Path) -> None:
    folder = copy_tree(tmp_path / "a clone")
    (tmp_path / "text.parquet").write_text("no")
    config = ("--config", f"source={tmp_path / 'text.parquet'}")
    said = snakemake(folder, "--cores", "1", "figures", *config, ok=False)
    assert f"source {tmp_path / 'text.parquet'}: not a readable Parquet file" in said
    assert "Traceback" not in said
    assert not (folder / "results/logs").exists()


def test_the_same_measurements_give_the_same_files(tmp_path: Path, rows: list[Row]) -> None:
    folder = copy_tree(tmp_path / "a clone")
    config = ("--config", f"source={theirs(tmp_path / 'theirs', rows)}")
    snakemake(folder, "--cores", "2", "figures", *config)
    first = contents(folder / "results/figures")
    endings = ("pdf", "png", "svg", "md", "html")
    names = [f"{name}.{end}" for name in ("base_law", "quantization") for end in endings]
    assert first.keys() == {*names, "drawn.json"}
    card = contents(folder / "results")["scorecard.md"]
    assert planned(folder, "figures", *config) == {}
    snakemake(folder, "--cores", "2", "figures", *config, "--report", "results/report.zip")
    names = zipfile.ZipFile(folder / "results/report.zip").namelist()
    for name in ("report.html", "base_law.svg", "base_law.html", "scorecard.html"):
        assert any(one.endswith(f"/{name}") for one in names)
    # nor do they depend on how one python orders its sets
    snakemake(folder, "--cores", "2", "figures", *config, "--forceall", python=sys.executable)
    assert contents(folder / "results/figures") == first
    assert contents(folder / "results")["scorecard.md"] == card


def test_publishing_adds_measurements_and_refuses_those_that_disagree(
    tmp_path: Path, rows: list[Row]
) -> None:
    folder = copy_tree(tmp_path / "a clone")
    law = [{**row, "experiments": ["base_law"]} for row in rows if "base_law" in row["experiments"]]
    published = folder / "results/published"

    def publish(name: str, rows: list[Row], ok: bool = True) -> str:
        config = ("--config", f"source={theirs(tmp_path / name, rows)}")
        return snakemake(folder, "--cores", "2", "publish", *config, ok=ok)

    publish("first", law)
    first = contents(published)
    assert first.keys() >= {
        "measurements.parquet",
        "base_law.png",
        "base_law.md",
        "scorecard.md",
        "scorecard.json",
    }
    assert "quantization.png" not in first
    assert measurement_table.read_measurements(published / "measurements.parquet").num_rows == len(law)
    publish("both", rows)
    assert (published / "quantization.png").exists()
    whole = contents(published)
    assert measurement_table.read_measurements(published / "measurements.parquet").num_rows == len(rows)
    publish("again", law)  # nothing new in them, and nothing is lost
    assert contents(published) == whole
    other = {**law[0], "bits_learned": law[0]["bits_learned"] * 0.99}
    other["capacity_ratio"] = other["bits_learned"] / other["n_parameters"]
    other["bits_learned_low"] = other["bits_learned"] * 0.9
    said = publish("other", [other], ok=False)
    assert law[0]["run"] in said
    assert contents(published) == whole
