"""Extraction as the workflow runs it, and its figure."""

import json
import math
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from helpers.known_models import BIOD, words_of
from helpers.run_workflow import TIMEOUT
from knowledge_capacity import layout
from knowledge_capacity.data import corpus, people, tokenizer
from knowledge_capacity.experiments import base_law, extraction
from knowledge_capacity.extraction import questions, score
from knowledge_capacity.measurements import learning_rates, measurement_table
from knowledge_capacity.measuring import instrument_checks
from knowledge_capacity.models import build, store
from knowledge_capacity.report import writing
from knowledge_capacity.specs import (
    AnyArchitecture,
    Architecture,
    BioD,
    BioG,
    Biography,
    BioS,
    Checkpoint,
    Dataset,
    Extraction,
    Pools,
    RandomStrings,
    Recipe,
    Run,
    cell_to_json,
    to_json,
)
from scipy import stats
from tokenizers import Tokenizer
from transformers import GPT2Config, GPT2LMHeadModel

SCRIPTS = Path(__file__).parents[2] / "scripts"
POOLS = Pools(4, 4, 4, birth_years=4, cities=4, universities=4, majors=4, employers=4)
BIOS = BioS(n_people=40, templates=2, pools=POOLS)
BIOG = BioG(n_people=40, rewrites=2, pools=POOLS)
GPT2 = Architecture(layers=1, heads=1, width=8)
SPECS = [Extraction(rank=2, epochs=1), Extraction(rank=2, epochs=2)]
RECORD = {
    **{"precision": "fp32", "used_tokens": 60, "steps": 10, "tokens": 1000, "seconds": 1.5, "device": "cpu"},
    **{"engine": "eager", "code": "0" * 12, "python": "3.11", "torch": "2", "trained_at": "2026-01-01"},
}


def extract(
    folder: Path,
    dataset: Dataset,
    diverged: str = "",
    architecture: AnyArchitecture = GPT2,
    texts: bool = False,
    words: Tokenizer | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run the script on an untrained model. texts: whether they are stored. words: one token a word, if None."""
    run = Run(dataset, architecture, Recipe(exposures=1, lr=1e-3, window=64), 2)
    words = words or tokenizer.make_word_tokenizer(corpus.vocabulary_texts(dataset))
    place, data = folder / layout.run_folder(run), folder / layout.people_file(dataset, run.seed)
    place.mkdir(parents=True)
    tokenizer.write_tokenizer((folder / layout.tokenizer_file(dataset)).parent, words)
    tokenizer.write_tokenizer(place, words)
    people.write_people(data, dataset, run.seed)
    if texts:
        instrument_checks.build_stream(dataset, data.parent, run.seed)
    if diverged:
        store.write_diverged(place, run, diverged)
    else:
        model = build.build_model(run.architecture, words.get_vocab_size(), 64, seed=0)
        store.write_model(place, model, run, 0)
    (place / "run.json").write_text(json.dumps({**RECORD, "run": json.loads(to_json(run))}))
    command = [sys.executable, str(SCRIPTS / "extract.py"), "--cell", cell_to_json([run])]
    command += ["--results", str(folder), "--questions", "[" + ", ".join(map(to_json, SPECS)) + "]"]
    command += ["--device", "cpu"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT)


def written(folder: Path, name: str) -> Path:
    """A file that the script has left, of the one run in a folder of results."""
    (found,) = folder.glob(f"runs/*/*/*/*/{name}")
    return found


@pytest.mark.slow
def test_the_script_measures_each_extraction(tmp_path: Path) -> None:
    done = extract(tmp_path, BIOS)
    assert done.returncode == 0, done.stderr
    rows = measurement_table.read_measurements(written(tmp_path, "extraction.parquet")).to_pylist()
    assert [row["variant"] for row in rows] == [spec.slug for spec in SPECS]
    most = 40 * (math.log2(12 * 28 * 4) + 4 * 2 + 1)
    for row in rows:
        assert row["people_scored"] == 20
        assert row["bits_max"] == pytest.approx(most)
        assert row["bits_learned"] == pytest.approx(sum(bits for _, bits in row["bits_by_attribute"]))
        assert row["bits_learned_low"] < row["bits_learned"] < row["bits_learned_high"] < most / 2
        assert row["loss_value"] == pytest.approx(sum(loss for _, loss in row["loss_by_attribute"]))
        assert dict(row["accuracy_by_attribute"]).keys() == BIOS.choices.keys()
    answers = pq.read_table(written(tmp_path, "answers.parquet"))
    updated = json.loads(answers.schema.metadata[b"updated"])
    assert updated.keys() == {spec.slug for spec in SPECS}
    assert "layers.0.attention.joint" in updated[SPECS[0].slug]
    assert "to layers.*.attention.joint" in done.stderr
    given = answers.to_pylist()
    assert len(given) == 2 * 20 * 6
    for row in rows:
        for name, share in row["accuracy_by_attribute"]:
            right = [
                one["right"] for one in given if (one["variant"], one["attribute"]) == (row["variant"], name)
            ]
            assert sum(right) / 20 == share
    assert all((one["given"] == one["answer"]) == one["right"] for one in given)
    assert not list(tmp_path.rglob(".*part"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bioD", "bioG", "checkpoint"])
def test_other_datasets_and_models_are_asked_as_well(kind: str, tmp_path: Path) -> None:
    """Values that are strings, texts that are stored, and a model from elsewhere with a tokenizer of its own."""
    dataset: BioS | BioG | BioD = BIOS
    if kind == "checkpoint":
        given, words = tmp_path / "given", words_of(replace(BIOS, tokenizer="bpe-400"))
        size = words.get_vocab_size() + 24  # as many have rows that no token uses
        torch.manual_seed(0)
        config = GPT2Config(vocab_size=size, n_embd=8, n_layer=1, n_head=1, n_positions=160)
        GPT2LMHeadModel(config).save_pretrained(given)
        tokenizer.write_tokenizer(given, words)
        done = extract(tmp_path, dataset, architecture=Checkpoint(str(given)), words=words)
    else:
        dataset = BIOG if kind == "bioG" else replace(BIOD, n_people=40)
        done = extract(tmp_path, dataset, texts=kind == "bioG")
    assert done.returncode == 0, done.stderr
    rows = measurement_table.read_measurements(written(tmp_path, "extraction.parquet")).to_pylist()
    asked = list(questions.choice_counts(dataset))
    for row in rows:
        assert row["people_scored"] == 20
        assert [name for name, _ in row["accuracy_by_attribute"]] == asked
        assert row["bits_learned"] == pytest.approx(sum(bits for _, bits in row["bits_by_attribute"]))
        assert row["bits_max"] == pytest.approx(score.bits_max(dataset))
    answers = pq.read_table(written(tmp_path, "answers.parquet")).to_pylist()
    assert len(answers) == len(rows) * 20 * len(asked)
    if kind == "bioD":
        assert all(re.fullmatch(r"s\d s\d, s\d s\d\.", one["answer"]) for one in answers)
    else:
        assert isinstance(dataset, Biography)
        facts = list(people.decode_facts(dataset, people.draw_all_people(dataset, 2)))
        for one in answers:
            fact = facts[one["person"]][one["attribute"]]
            assert one["answer"] == f"{fact.capitalize() if one['attribute'] == 'pronoun' else fact}."


def test_a_run_that_diverged_has_no_answers(tmp_path: Path) -> None:
    done = extract(tmp_path, BIOS, diverged="the loss is nan")
    assert done.returncode == 0, done.stderr
    assert measurement_table.read_measurements(written(tmp_path, "extraction.parquet")).num_rows == 0
    assert pq.read_table(written(tmp_path, "answers.parquet")).num_rows == 0


def test_strings_cannot_be_asked_about(tmp_path: Path) -> None:
    done = extract(tmp_path, RandomStrings(n_strings=30, length=4, symbols=8))
    assert done.returncode == 1
    assert "random strings have no names" in done.stderr
    assert not list(tmp_path.rglob("extraction.parquet"))


def measured(kind: str, seed: int, share: float) -> list[dict[str, Any]]:
    """A run that has memorised all values, with this share of them extractable."""
    choices = BIOS.choices
    bits = {name: BIOS.n_people * math.log2(number) for name, number in choices.items()}
    total = sum(bits.values())
    row: dict[str, Any] = {
        field.name: {"string": "x", "int64": 1, "double": 1.0}[str(field.type)]
        for field in measurement_table.SCHEMA
        if not field.nullable
    }
    row |= {"run": f"{kind}/{seed}", "kind": kind, "seed": seed, "n_people": 40, "n_parameters": 1000}
    row |= {"family": "gpt2", "architecture": "gpt2-1-1-d8", "layers": 1, "heads": 1, "width": 8}
    row |= {"dataset": kind, "dataset_spec": to_json(BIOS), "lr_best": True}
    row |= {"architecture_spec": to_json(Architecture(1, 1, 8)), "recipe_spec": to_json(Recipe(10, 1e-3))}
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
    spec = {"variant_spec": to_json(Extraction()), "optimizer": "adamw", "junk_share": 0.0}
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
    table = learning_rates.mark_best_learning_rates(measurement_table.build_table(rows))
    points = extraction.select_points(table.to_pandas())
    assert len(points) == 2 * (1 + 6)
    for point in points.itertuples():
        assert point.extracted / point.memorised == pytest.approx(0.9 if point.kind == "bioS" else 0.1)
        assert point.memorised == pytest.approx(point.most)
        assert point.seeds == 2
        assert point.people_asked == 40
    chance = points.set_index(["kind", "attribute"]).chance["bioS"]
    assert chance["birth_date"] == 1 / (12 * 28 * 4)
    assert chance["pronoun"] == 0.5
    figure = extraction.draw_figure(points)
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert sorted(names) == ["bioS of 40: gpt2 1-1 d8", "bioS_simple of 40: gpt2 1-1 d8"]
    writing.write_figure("extraction", table, tmp_path / "extraction")
    assert len((tmp_path / "extraction.md").read_text().splitlines()) == 4 + 14
    assert (tmp_path / "extraction.png").stat().st_size > 1000


@pytest.mark.parametrize(("right", "asked"), [(0, 20), (20, 20), (3, 40), (200, 400)])
def test_shares_of_people_have_wilsons_interval(right: int, asked: int) -> None:
    known = stats.binomtest(right, asked).proportion_ci(method="wilson")
    assert extraction.wilson_interval(right / asked, asked) == pytest.approx((known.low, known.high))
    one_seed = extraction.share_interval(np.array([right / asked]), np.array([float(asked)]))
    assert one_seed == pytest.approx((right / asked, known.low, known.high))
    halves = extraction.share_interval(np.full(2, right / asked), np.full(2, asked / 2))  # seeds that agree
    assert halves == pytest.approx(one_seed)


def test_seeds_that_lie_apart_make_the_interval_of_a_share_wider() -> None:
    asked = np.full(2, 200.0)
    few = extraction.share_interval(np.array([0.42, 0.44]), asked)
    spread = stats.t.ppf(0.975, 1) * 0.01
    assert few == pytest.approx((0.43, 0.43 - spread, 0.43 + spread))
    assert extraction.share_interval(np.array([0.4, 0.9]), asked) == pytest.approx((0.65, 0.0, 1.0))


def test_nobody_right_is_no_share_known_exactly() -> None:
    rows = [one for seed in (0, 1) for one in measured("bioS", seed, 0.0)]
    points = extraction.select_points(
        learning_rates.mark_best_learning_rates(measurement_table.build_table(rows)).to_pandas()
    )
    known = stats.binomtest(0, 40).proportion_ci(method="wilson")  # 20 people in each of two seeds
    assert (points.accuracy_low == 0).all()
    assert list(points.accuracy_high) == pytest.approx([known.high] * 7)


@pytest.mark.filterwarnings("error::UserWarning")  # as where a figure has no room for its axes
def test_no_other_figure_is_given_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    points = base_law.select_points

    def watched(rows: pd.DataFrame) -> pd.DataFrame:
        shown.extend(rows.variant)
        return points(rows)

    monkeypatch.setattr(base_law, "select_points", watched)
    writing.write_figure(
        "base_law",
        learning_rates.mark_best_learning_rates(measurement_table.build_table(measured("bioS", 0, 0.5))),
        tmp_path / "law",
    )
    assert shown == ["fp32"]
