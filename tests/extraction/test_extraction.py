"""Extraction as the workflow runs it, and its figure."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from knowledge_capacity.capacity import measurement, selection
from knowledge_capacity.data import corpus, people, tokenizer
from knowledge_capacity.experiments import base_law, extraction, output
from knowledge_capacity.models import build, store
from knowledge_capacity.specs import (
    Architecture,
    BioS,
    Dataset,
    Pools,
    Questions,
    RandomStrings,
    Recipe,
    Run,
    to_json,
)

SCRIPTS = Path(__file__).parents[2] / "scripts"
POOLS = Pools(4, 4, 4, birth_years=4, cities=4, universities=4, majors=4, employers=4)
BIOS = BioS(n_people=40, templates=2, pools=POOLS)
SPECS = [Questions(rank=2, epochs=1), Questions(rank=2, epochs=2)]
RECORD = {
    **{"precision": "fp32", "used_tokens": 60, "steps": 10, "tokens": 1000, "seconds": 1.5, "device": "cpu"},
    **{"engine": "eager", "code": "0" * 12, "python": "3.11", "torch": "2", "trained_at": "2026-01-01"},
}


def extract(folder: Path, dataset: Dataset, diverged: str = "") -> subprocess.CompletedProcess[str]:
    """Run the script on an untrained model."""
    run = Run(dataset, Architecture(layers=1, heads=1, width=8), Recipe(exposures=1, lr=1e-3, window=64), 2)
    words = tokenizer.word_level(corpus.texts(dataset))
    tokenizer.write(folder, words)
    people.write(folder / "people.parquet", dataset, run.seed)
    if diverged:
        store.write_diverged(folder, run, diverged)
    else:
        model = build.build(run.architecture, words.get_vocab_size(), 64, seed=0)
        store.write(folder, model, run, 0)
    (folder / "run.json").write_text(json.dumps({**RECORD, "run": json.loads(to_json(run))}))
    command = [sys.executable, str(SCRIPTS / "extract.py"), "--run", to_json(run)]
    command += ["--questions", "[" + ", ".join(map(to_json, SPECS)) + "]", "--device", "cpu"]
    for option, name in {
        "model": "model.safetensors",
        "record": "run.json",
        "people": "people.parquet",
        "tokenizer": "tokenizer.json",
        "output": "extraction.parquet",
        "answers": "answers.parquet",
    }.items():
        command += [f"--{option}", str(folder / name)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)


def test_the_script_measures_each_extraction(tmp_path: Path) -> None:
    done = extract(tmp_path, BIOS)
    assert done.returncode == 0, done.stderr
    rows = measurement.read(tmp_path / "extraction.parquet").to_pylist()
    assert [row["variant"] for row in rows] == [spec.slug for spec in SPECS]
    most = 40 * (math.log2(12 * 28 * 4) + 4 * 2 + 1)
    for row in rows:
        assert row["people_scored"] == 20
        assert row["bits_max"] == pytest.approx(most)
        assert row["bits_learned"] == pytest.approx(sum(bits for _, bits in row["bits_by_attribute"]))
        assert row["bits_learned_low"] < row["bits_learned"] < row["bits_learned_high"] < most / 2
        assert row["loss_value"] == pytest.approx(sum(loss for _, loss in row["loss_by_attribute"]))
        assert dict(row["accuracy_by_attribute"]).keys() == BIOS.choices.keys()
    given = pq.read_table(tmp_path / "answers.parquet").to_pylist()
    assert len(given) == 2 * 20 * 6
    for row in rows:
        for name, share in row["accuracy_by_attribute"]:
            right = [
                one["right"] for one in given if (one["variant"], one["attribute"]) == (row["variant"], name)
            ]
            assert sum(right) / 20 == share
    assert all((one["given"] == one["answer"]) == one["right"] for one in given)
    assert not list(tmp_path.glob(".*part"))


def test_a_run_that_diverged_has_no_answers(tmp_path: Path) -> None:
    done = extract(tmp_path, BIOS, diverged="the loss is nan")
    assert done.returncode == 0, done.stderr
    assert measurement.read(tmp_path / "extraction.parquet").num_rows == 0
    assert pq.read_table(tmp_path / "answers.parquet").num_rows == 0


def test_strings_cannot_be_asked_about(tmp_path: Path) -> None:
    done = extract(tmp_path, RandomStrings(n_strings=30, length=4, symbols=8))
    assert done.returncode == 1
    assert "random strings have no names" in done.stderr
    assert not (tmp_path / "extraction.parquet").exists()


def measured(kind: str, seed: int, share: float) -> list[dict[str, Any]]:
    """A run that has memorised all values, with this share of them extractable."""
    choices = BIOS.choices
    bits = {name: BIOS.n_people * math.log2(number) for name, number in choices.items()}
    total = sum(bits.values())
    row: dict[str, Any] = {
        field.name: {"string": "x", "int64": 1, "double": 1.0}[str(field.type)]
        for field in measurement.SCHEMA
        if not field.nullable
    }
    row |= {"run": f"{kind}/{seed}", "kind": kind, "seed": seed, "n_people": 40, "n_parameters": 1000}
    row |= {"family": "gpt2", "architecture": "gpt2-1-1-d8", "layers": 1, "heads": 1, "width": 8}
    row |= {"dataset": kind, "dataset_spec": to_json(BIOS), "recipe_spec": "{}", "lr_best": True}
    stored = {
        **row,
        "variant": "fp32",
        "optimizer": "adamw",
        "junk_share": 0.0,
        "bits_value": total,
        "bits_learned": total,
        "capacity_ratio": 1.0,
    }
    stored["bits_by_attribute"] = [("name", 7.0), *bits.items()]
    spec = {"variant_spec": to_json(Questions()), "optimizer": "adamw", "junk_share": 0.0}
    asked = {**row, **spec, "variant": "questions", "people_scored": 20}
    asked |= {
        f"bits_learned{end}": share * total + more for end, more in (("", 0), ("_low", -9), ("_high", 9))
    }
    asked |= {"bits_by_attribute": [(name, share * one) for name, one in bits.items()]}
    asked |= {"accuracy_by_attribute": [(name, share) for name in bits], "capacity_ratio_max": total / 1000}
    asked |= {"commonest_answer_by_attribute": [(name, 0.25) for name in bits]}
    return [stored, asked]


def test_the_figure_sets_extractable_beside_memorised_bits(tmp_path: Path) -> None:
    rows = [
        one
        for seed in (0, 1)
        for k, s in (("bioS", 0.9), ("bioS_simple", 0.1))
        for one in measured(k, seed, s)
    ]
    table = selection.marked(measurement.table(rows))
    points = extraction.points(table.to_pandas())
    assert len(points) == 2 * (1 + 6)
    for point in points.itertuples():
        assert point.extracted / point.memorised == pytest.approx(0.9 if point.kind == "bioS" else 0.1)
        assert point.memorised == pytest.approx(point.most)
        assert point.seeds == 2
        assert point.people_asked == 40
    chance = points.set_index(["kind", "attribute"]).chance["bioS"]
    assert chance["birth_date"] == 1 / (12 * 28 * 4)
    assert chance["pronoun"] == 0.5
    output.write("extraction", table, tmp_path / "extraction")
    assert len((tmp_path / "extraction.md").read_text().splitlines()) == 4 + 14
    assert (tmp_path / "extraction.png").stat().st_size > 1000


def test_no_other_figure_is_given_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    points = base_law.points

    def watched(rows: pd.DataFrame) -> pd.DataFrame:
        shown.extend(rows.variant)
        return points(rows)

    monkeypatch.setattr(base_law, "points", watched)
    output.write("base_law", selection.marked(measurement.table(measured("bioS", 0, 0.5))), tmp_path / "law")
    assert shown == ["fp32"]
