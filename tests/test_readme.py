"""README.md and the page of the default study: how long they are, and that what they say in words is so."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
from knowledge_capacity.experiments import base_law, biod, quantization
from knowledge_capacity.files import write_parquet
from knowledge_capacity.measurements import measurement_table
from knowledge_capacity.measurements.collecting import parse_requests
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
    study = overlay_files.make_study(*overlay_files.read_configuration([]))
    asked = parse_requests(json.dumps(study.asked()))
    wanted = [variant in asked.get(run, {}) for run, variant in zip(rows.run, rows.variant, strict=True)]
    assert rows[wanted].run.nunique() == len(study.runs)
    return rows[wanted]


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
    assert "*Found*: an interval says something by itself" in text
    assert all(one["found"] for one in found)
    assert "Weights of 8 bits lose next to nothing." in text
    assert CLAIMS["8 bits a weight lose nothing"]["verdict"] == "reproduced"
    assert CLAIMS["8 bits a weight lose nothing"]["low"] > 0.97
    assert "Most findings of two seeds rest on the spread of other models too" in text
    assert "Seven findings would be open, most of them of two seeds" in " ".join(
        (ROOT / "docs/results.md").read_text().split()
    )
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
    assert max(max(one.get("n_parameters", [0])) for one in small) < 100_000


def test_what_the_first_study_says_in_words_is_so(default: pd.DataFrame) -> None:
    text = " ".join((ROOT / "docs/first-study.md").read_text().split())
    facts, full = default[default.kind == "bioS"], default[default.variant == "fp32"]
    bits = facts.groupby(["exposures", "variant"]).bits_learned.sum()
    kept = {key: bits[key] / bits[key[0], "fp32"] for key in bits.index}
    assert "models keep their bits to a hundredth" in text
    assert kept[1000, "int8-rtn"] > 0.99
    assert "They leave less than half of the bits, and at the largest model less than a fifth." in text
    mean = full.groupby(["kind", "exposures", "width"]).capacity_ratio.mean()
    assert (mean["bioS", 100] < mean["bioS", 1000] / 2).all()
    assert mean["bioS", 100].iloc[-1] < mean["bioS", 1000].iloc[-1] / 5
    assert "After 100 exposures, models keep most of their few bits." in text
    assert kept[100, "int4-rtn"] > 0.8
    assert "After 1000 exposures, they keep nearly none." in text
    assert kept[1000, "int4-rtn"] < 0.1
    assert "Embeddings stay in fp32, so the whole model takes many more than 4 bits per weight." in text
    assert default[default.variant == "int4-rtn"].bits_per_weight.min() > 10
    assert "**Larger models store more per parameter** after 1000 exposures" in text
    assert mean["bioS", 1000].is_monotonic_increasing
    assert "At every size, the same models store more bits of random strings than of people" in text
    more = mean["random", 1000] / mean["bioS", 1000]
    assert (more > 1).all()
    assert "At the largest, they store about twice as many." in text
    assert 1.8 < more.iloc[-1] < 2.2
    assert "These have 13,008." in text
    assert set(full[(full.kind == "bioS") & (full.exposures == 1000)].train_steps) == {13_008}
    assert "They are a third to a half of the parameters." in text
    people = full[full.kind == "bioS"]
    assert (people.used_tokens * people.width / people.n_parameters).between(0.32, 0.5).all()


@pytest.mark.slow
def test_the_comparisons_of_the_first_study_are_decided(default: pd.DataFrame, tmp_path: Path) -> None:
    table = measurement_table.read_measurements(PUBLISHED / "measurements.parquet")
    file = tmp_path / "measurements.parquet"
    write_parquet(file, table.take(default.index.to_list()))
    commands = re.findall(
        r'^make compare OPTIONS="(.*)"$', (ROOT / "docs/first-study.md").read_text(), re.MULTILINE
    )
    assert len(commands) == 6
    assert all("\nIn this setting" in compare(file, options) for options in commands)
    seldom = "--a width=16 --b width=8 --where exposures=100 kind=bioS"
    assert "After 100 exposures, no difference is shown." in (ROOT / "docs/first-study.md").read_text()
    assert "\nNo difference is shown" in compare(file, seldom)


def compare(file: Path, options: str) -> str:
    command = [sys.executable, "scripts/commands/compare.py", str(file), *shlex.split(options)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_losses_of_training_here_and_by_trainer_are_alike() -> None:
    assert "their losses are equal to rounding" in " ".join((ROOT / "docs/speed.md").read_text().split())
    found = json.loads((PUBLISHED / "training.json").read_text())
    assert max(shape["losses_apart"] for shape in found) < 1e-6
    assert {timed["threads"] for shape in found for timed in shape["timed"]} == {1, 2}
