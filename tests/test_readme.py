"""README.md and the page of the default study: how long they are, and that what they say in words is so."""

import json
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
from knowledge_capacity.experiments import base_law, biod, quantization
from knowledge_capacity.measurements import measurement_table
from knowledge_capacity.report import writing
from knowledge_capacity.study import overlay_files

ROOT = Path(__file__).parents[1]
PUBLISHED = ROOT / "results/published"
LINES, COLUMNS = 120, 120
CLAIMS = {
    one["claim"].rpartition(". ")[2]: one for one in json.loads((PUBLISHED / "scorecard.json").read_text())
}


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return measurement_table.read_measurements(PUBLISHED / "measurements.parquet").to_pandas()


@pytest.fixture
def default(rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    """The measurements of the default study: more has been measured and published since."""
    monkeypatch.chdir(ROOT)
    runs = set(overlay_files.make_study(*overlay_files.read_configuration([])).runs)
    rows = rows[rows.run.isin(runs)]
    assert rows.run.nunique() == len(runs)
    return rows


@pytest.mark.parametrize("module", [base_law, biod, quantization])
def test_the_published_tables_follow_from_the_published_measurements(
    module: ModuleType, tmp_path: Path
) -> None:
    name = module.__name__.rpartition(".")[2]
    writing.write_figure(
        name, measurement_table.read_measurements(PUBLISHED / "measurements.parquet"), tmp_path / name
    )
    assert (tmp_path / f"{name}.md").read_text() == (PUBLISHED / f"{name}.md").read_text()


def test_the_readme_is_short() -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) <= LINES
    assert max(map(len, lines)) <= COLUMNS


def test_what_the_readme_says_of_its_findings_is_so(rows: pd.DataFrame) -> None:
    text = (ROOT / "README.md").read_text()
    found = [one for one in CLAIMS.values() if one["verdict"] == "found"]
    assert "*Found* means that the interval says something by itself" in text
    assert all(one["found"] for one in found)
    assert "Weights of 8 bits lose nothing." in text
    assert CLAIMS["8 bits a weight lose nothing"]["verdict"] == "reproduced"
    assert "Weights of 4 bits cost a full model nearly all of its bits." in text
    full = rows[(rows.exposures == 1000) & (rows.n_people > 10_000) & (rows.batch_size < 48)]
    by_variant = full.groupby("variant").capacity_ratio
    assert by_variant.max()["int4-gptq"] < 0.02 * by_variant.min()["fp32"]
    assert "R still rises with size here." in text
    law = rows[(rows.kind == "bioS") & (rows.exposures == 1000) & (rows.variant == "fp32")]
    mean = law.groupby(["dataset", "architecture", "recipe"]).agg(
        {"capacity_ratio": "mean", "n_parameters": "max"}
    )
    best = [
        mean[mean.n_parameters.between(low, 2 * low)].capacity_ratio.max() for low in (3e3, 7e3, 300e3, 430e3)
    ]
    assert best == sorted(best)
    assert "Experts, wording and the estimate for Wikipedia were measured with small models only." in text
    small = [one for one in CLAIMS.values() if one["experiment"] in ("experts", "data_format", "estimate")]
    assert max(max(one.get("n_parameters", [0])) for one in small) < 20_000


def test_what_the_first_study_says_in_words_is_so(default: pd.DataFrame) -> None:
    text = " ".join((ROOT / "docs/first-study.md").read_text().split())
    full = default[default.variant == "fp32"]
    mean = full.groupby(["kind", "exposures", "architecture"]).agg(
        {"capacity_ratio": "mean", "n_parameters": "max", "data_limited": "max", "width": "max"}
    )
    assert "R rises from the narrowest model to a peak" in text
    assert "Above the peak, the dataset is too small to fill the model." in text
    for kind in ("bioS", "bioD"):
        curve = mean.loc[kind, 1000].sort_values("n_parameters")
        peak = curve.capacity_ratio.argmax()
        assert curve.capacity_ratio.iloc[peak] > 1.5 * curve.capacity_ratio.iloc[0]
        assert curve.data_limited.iloc[peak + 1 :].all()
        assert mean.loc[kind, 100].capacity_ratio.max() < 0.25 * curve.capacity_ratio.max()
    assert "Embeddings stay in fp32, so the whole model takes many more than 4 bits per weight." in text
    assert default[default.variant == "int4-rtn"].bits_per_weight.min() > 10
    bits = default[default.kind == "bioS"].groupby(["exposures", "variant"]).bits_learned.sum()
    kept = {key: bits[key] / bits[key[0], "fp32"] for key in bits.index}
    assert kept[1000, "int8-rtn"] > 0.99
    assert kept[1000, "int4-rtn"] < 0.2
    assert kept[100, "int4-rtn"] > 0.8
    assert full[(full.exposures == 1000) & (full.seed == 0)].train_steps.max() < 140_000 / 10


def test_losses_of_training_here_and_by_trainer_are_alike() -> None:
    assert "their losses are equal to rounding" in " ".join((ROOT / "docs/speed.md").read_text().split())
    found = json.loads((PUBLISHED / "training.json").read_text())
    assert max(shape["losses_apart"] for shape in found) < 1e-6
    assert {timed["threads"] for shape in found for timed in shape["timed"]} == {1, 2}
