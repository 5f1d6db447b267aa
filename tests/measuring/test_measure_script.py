"""The scripts that measure: what they write about a whole run, and what they say of a broken one."""

import json
import random
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.run_script import run_script
from knowledge_capacity import layout
from knowledge_capacity.data import corpus, people, tokenizer
from knowledge_capacity.files import add_checksum, verify_checksum, write_json
from knowledge_capacity.measurements import measurement_table
from knowledge_capacity.measuring import instrument_checks
from knowledge_capacity.models import store
from knowledge_capacity.models.build import build_model
from knowledge_capacity.specs import (
    Afterwards,
    Architecture,
    BioS,
    Junk,
    Recipe,
    Run,
    cell_to_json,
    to_json,
)
from safetensors.torch import load_file, save_file

DATASET = BioS(n_people=12, templates=2, pools=instrument_checks.POOLS)
RUN = Run(DATASET, Architecture(2, 1, 8), Recipe(exposures=5, lr=1e-3, window=64), seed=0)
PLACE, MODEL, RECORD_FILE = layout.run_folder(RUN), layout.model_file(RUN), layout.record_file(RUN)
PEOPLE, TOKENIZER = layout.people_file(DATASET, RUN.seed), layout.tokenizer_file(DATASET)
MEASURED = layout.measurements_file(RUN)
CHANGES = 40
RECORD = {
    "steps": 1,
    "tokens": 9,
    "seconds": 1.0,
    "used_tokens": 50,
    "device": "cpu",
    "precision": "fp32",
    "engine": "eager",
    "code": "0",
    "python": "3",
    "torch": "2",
    "trained_at": "now",
}


def a_run(folder: Path, run: Run = RUN) -> Path:
    """The files of a run as training leaves them, its weights random."""
    tokens = tokenizer.make_word_tokenizer(corpus.vocabulary_texts(run.dataset))
    file = folder / layout.tokenizer_file(run.dataset)
    tokenizer.write_tokenizer(file.parent, tokens)
    people.write_people(folder / layout.people_file(run.dataset, run.seed), run.dataset, run.seed)
    if run.recipe.has_domain_token:
        tokens = tokenizer.read_tokenizer(file, domain=True)
    model = build_model(run.architecture, tokens.get_vocab_size(), run.recipe.window, run.seed)
    with torch.no_grad():
        for weight in model.parameters():  # so that positions and facts make a difference
            weight.add_(0.3 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)))
    store.write_model(folder / layout.run_folder(run), model, run, tokens.get_vocab()["<|endoftext|>"])
    tokenizer.write_tokenizer(folder / layout.run_folder(run), tokens)
    write_json(folder / layout.record_file(run), add_checksum({"run": json.loads(to_json(run)), **RECORD}))
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_run(tmp_path_factory.mktemp("run"))


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    return tmp_path


def script(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, run: Run = RUN, *more: str) -> int:
    """Run a script as from the command line; its exit status."""
    if name == "error_budget":
        options = ["--run", to_json(run), "--output", str(folder / "conventions")]
    else:
        options = ["--cell", cell_to_json([run])]
    options += ["--results", str(folder), "--device", "cpu", *more]
    return run_script(name, monkeypatch, *options)


def other_people(folder: Path) -> None:
    people.write_people(folder / PEOPLE, replace(DATASET, n_people=11), 0)


def other_tokens(folder: Path) -> None:
    """As many tokens, of which two have changed places."""
    file = folder / TOKENIZER
    content = json.loads(file.read_text())
    words = content["model"]["vocab"]
    words[","], words["."] = words["."], words[","]
    file.write_text(json.dumps(content))


def fewer_tokens(folder: Path) -> None:
    tokens = tokenizer.make_word_tokenizer(corpus.vocabulary_texts(replace(DATASET, templates=1)))
    for file in (TOKENIZER, f"{PLACE}/tokenizer.json"):
        tokenizer.write_tokenizer((folder / file).parent, tokens)


def nan(folder: Path) -> None:
    weights = load_file(folder / MODEL)
    weights["gpt_neox.layers.0.attention.dense.weight"][0, 0] = float("nan")
    save_file(weights, folder / MODEL)


def other_architecture(folder: Path) -> None:
    model = build_model(Architecture(2, 1, 12), 60, 64, 0)
    store.write_model(folder / PLACE, model, RUN, 0)


def truncated(folder: Path) -> None:
    file = folder / MODEL
    file.write_bytes(file.read_bytes()[:-100])


def no_record(folder: Path) -> None:
    (folder / RECORD_FILE).unlink()


def half_a_record(folder: Path) -> None:
    file = folder / RECORD_FILE
    file.write_text(file.read_text()[:60])


def record_of_another(folder: Path) -> None:
    other = replace(RUN, seed=3)
    write_json(folder / RECORD_FILE, {"run": json.loads(to_json(other)), **RECORD})


@pytest.mark.parametrize("name", ["measure", "error_budget"])
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (truncated, "model.safetensors: not a whole weights file"),
        (nan, "dense.weight holds NaN or infinity"),
        (other_architecture, "these are not the weights of a gpt2-2-1-d8"),
        (other_people, "people.parquet: holds other people than"),
        (other_tokens, "has other tokens than"),
        (fewer_tokens, "tokenizer of this run: it cannot write the texts of this dataset"),
        (no_record, "run.json: there is no such file"),
        (half_a_record, "run.json: not a readable record"),
        (record_of_another, "run.json: belongs to another run"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_broken_run_gives_an_error_and_no_number(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    damage: Callable[[Path], None],
    said: str,
) -> None:
    damage(folder)
    assert script(name, folder, monkeypatch) == 1
    told = capsys.readouterr().err
    assert said in told
    assert "bits per parameter" not in told
    assert not (folder / MEASURED).exists()
    assert not (folder / "conventions.md").exists()


def test_a_whole_run_is_measured_and_a_sample_of_its_people_stands_for_all(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script("measure", folder, monkeypatch) == 0
    (everyone,) = measurement_table.read_measurements(folder / MEASURED).to_pylist()
    assert "longer than a window" not in capsys.readouterr().err
    assert script("measure", folder, monkeypatch, RUN, "--scored-people", "6") == 0
    (six,) = measurement_table.read_measurements(folder / MEASURED).to_pylist()
    assert (everyone["people_scored"], six["people_scored"]) == (12, 6)
    assert six["bits_max"] == everyone["bits_max"]
    assert six["bits_learned"] == pytest.approx(everyone["bits_learned"], rel=0.3)
    assert six["bits_learned"] != everyone["bits_learned"]


def test_measurements_that_would_come_out_the_same_are_left(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until the code, a file that they are made from, or how many are scored is another."""
    made: list[int] = []

    def measures(*options: str) -> bool:
        assert script("measure", folder, monkeypatch, RUN, *options) == 0
        made.append((folder / MEASURED).stat().st_ino)
        return len(made) < 2 or made[-1] != made[-2]

    assert measures("--code", "1")
    assert not measures("--code", "1")
    assert measures("--code", "2")
    assert measures("--code", "2", "--scored-people", "6")
    assert measures("--code", "2")
    record = json.loads((folder / RECORD_FILE).read_text())
    write_json(folder / RECORD_FILE, add_checksum({**verify_checksum(record), "trained_at": "later"}))
    assert measures("--code", "2")
    (folder / MEASURED).write_bytes((folder / MEASURED).read_bytes()[:-9])
    assert measures("--code", "2")
    assert not measures("--code", "2")


def test_measurements_of_further_variants_are_left(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two slices of a study may ask for one run in different variants, and each finds what both have made."""
    file = folder / layout.variants_file(RUN, "rtn")
    quantizers: list[list[dict[str, int]]] = [[{"bits": 8}, {"bits": 4}], [{"bits": 4}]]

    def makes(bits: list[dict[str, int]], *variants: str) -> list[str]:
        assert script("quantize", folder, monkeypatch, RUN, "--quantizers", json.dumps(bits)) == 0
        capsys.readouterr()
        assert script("measure", folder, monkeypatch, RUN, "--variants", *variants) == 0
        return re.findall(r": (\S+) [-.\d]+ bits per parameter", capsys.readouterr().err)

    assert makes(quantizers[0], str(file)) == ["fp32", "int8-rtn", "int4-rtn"]
    assert makes(quantizers[1], str(file)) == []
    assert makes(quantizers[1]) == []
    assert makes(quantizers[0], str(file)) == []
    assert makes([{"bits": 2}], str(file)) == ["fp32", "int2-rtn"]
    file.unlink()
    assert script("measure", folder, monkeypatch, RUN) == 0
    assert "fp32" in capsys.readouterr().err, "whether they are the same nobody knows without the variants"


def test_a_run_that_cannot_be_measured_leaves_the_others(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other = replace(RUN, seed=1)
    a_run(folder, other)
    truncated(folder)
    options = ["--cell", cell_to_json([RUN, other]), "--results", str(folder)]
    assert script("measure", folder, monkeypatch, RUN, *options) == 1
    assert f"measure: {RUN.slug}: {folder / MODEL}: not a whole weights file" in capsys.readouterr().err
    assert not (folder / MEASURED).exists()
    assert measurement_table.read_measurements(folder / layout.measurements_file(other)).num_rows == 1


def test_a_text_longer_than_the_window_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is scored nevertheless, as by a model with a longer window, and only the log says more."""
    read = []
    for window in (16, 256):
        run = replace(RUN, recipe=replace(RUN.recipe, window=window))
        folder = a_run(tmp_path / str(window), run)
        assert script("measure", folder, monkeypatch, run) == 0
        told = capsys.readouterr().err
        assert told.count("longer than a window of training") == (window == 16)
        read.append(
            measurement_table.read_measurements(folder / layout.measurements_file(run)).to_pylist()[0][
                "bits_learned"
            ]
        )
    assert read[0] == pytest.approx(read[1], rel=1e-6)


@pytest.mark.parametrize("token", ["useful", "junk"])
def test_a_mixture_with_a_domain_token_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: Any
) -> None:
    run = replace(RUN, recipe=replace(RUN.recipe, junk=Junk(people=20, domain_token=token)))
    folder = a_run(tmp_path, run)
    assert script("measure", folder, monkeypatch, run) == 0
    row = measurement_table.read_measurements(folder / layout.measurements_file(run)).to_pylist()[0]
    assert row["bits_max"] == DATASET.bits_max
    assert sum(bits for _, bits in row["bits_by_attribute"]) == row["bits_learned"]


@pytest.mark.parametrize(
    "file",
    [
        MODEL,
        f"{PLACE}/config.json",
        RECORD_FILE,
        TOKENIZER,
        PEOPLE,
    ],
    ids=lambda file: file.rpartition("/")[2],
)
def test_whatever_byte_is_changed_no_other_number_comes_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], file: str
) -> None:
    """A file that was changed is refused by its name, or the change does not matter."""
    path = folder / file
    assert script("measure", folder, monkeypatch) == 0
    wanted = comparable(folder / MEASURED)
    whole, draw = path.read_bytes(), random.Random(file)  # noqa: S311 (no secret)
    refused = 0
    for _ in range(CHANGES):
        place = draw.randrange(len(whole))
        changed = whole[place] ^ draw.randrange(1, 256)
        path.write_bytes(whole[:place] + bytes([changed]) + whole[place + 1 :])
        capsys.readouterr()
        (folder / MEASURED).unlink(missing_ok=True)
        if script("measure", folder, monkeypatch) == 0:
            assert comparable(folder / MEASURED) == wanted, (place, whole[place], changed)
        else:
            assert str(path) in capsys.readouterr().err, (place, whole[place], changed)
            refused += 1
    assert refused


def comparable(path: Path) -> list[dict[str, Any]]:
    """Measurements without the seconds that measuring took."""
    return measurement_table.read_measurements(path).drop_columns(["measure_seconds"]).to_pylist()


def test_weights_on_the_way_are_variants_of_their_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here all of them are the weights of the end, so that they hold what the run holds."""
    recipe = replace(RUN.recipe, snapshots=True, afterwards=Afterwards(people=3, exposures=2))
    run = replace(RUN, recipe=recipe)
    a_run(tmp_path, run)
    weights = store.read_weights(tmp_path / layout.model_file(run))
    names = ["after-1", "after-2", "others-0", "others-1"]
    kept = {f"{name}/{key}": weight.clone() for name in names for key, weight in weights.items()}
    store.write_snapshots(tmp_path / layout.snapshots_file(run), kept)
    assert script("measure", tmp_path, monkeypatch, run) == 0
    rows = measurement_table.read_measurements(tmp_path / layout.measurements_file(run)).to_pylist()
    assert [row["variant"] for row in rows] == ["fp32", *names]
    assert [row["variant_spec"] for row in rows] == [None, *map(to_json, recipe.snapshot_times)]
    assert len({row["bits_learned"] for row in rows}) == 1
    assert {row["bits_per_weight"] for row in rows} == {32.0}


def test_snapshots_that_are_damaged_or_missing_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = replace(RUN, recipe=replace(RUN.recipe, snapshots=True))
    a_run(tmp_path, run)
    file = tmp_path / layout.snapshots_file(run)
    store.write_snapshots(file, {"after-1/weight": torch.zeros(2)})
    assert script("measure", tmp_path, monkeypatch, run) == 1
    assert f"{file}: there is no snapshot after-2 in it. Delete it" in capsys.readouterr().err
    file.write_bytes(file.read_bytes()[:-1])
    assert script("measure", tmp_path, monkeypatch, run) == 1
    assert f"{file}: not a whole weights file" in capsys.readouterr().err
