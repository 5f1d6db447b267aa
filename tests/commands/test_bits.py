"""Bits per parameter of one's own model in one command: the question, the runs, the answer."""

import argparse
import json
import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from helpers.run_workflow import ROOT, TIMEOUT, copy_tree, run_command
from knowledge_capacity.files import UserError
from knowledge_capacity.models.build import build_model, n_parameters
from knowledge_capacity.specs import (
    Adapter,
    AnyArchitecture,
    Architecture,
    Base,
    BioS,
    Checkpoint,
    PythonModel,
    Recipe,
    TransformersModel,
)
from knowledge_capacity.statistics import own_model, readiness
from knowledge_capacity.statistics.compare import ratio_interval
from knowledge_capacity.statistics.pairing import Pair
from knowledge_capacity.study import overlay_files, own_study, running
from knowledge_capacity.study.adapter_option import parse_adapter

SMALL = "--configfile studies/smoke.yaml --dataset bioS-smoke --recipe smoke-100 --cores 2".split()
TEXTS = overlay_files.TextStatistics(vocabulary=200, used=199, shortest=36, longest=36)


@pytest.mark.slow
def test_from_a_function_to_a_verdict_and_nothing_twice(tmp_path: Path) -> None:
    folder = copy_tree(tmp_path / "a clone")
    model = ("studies/models/block.py:build", "--arguments", '{"width": 8}', *SMALL)
    said, progress = run_command("bits", folder, *model, "--seeds", "0")
    assert "bits per parameter" in said
    # so short a study is no ground for a verdict, and the command says why, and before it what it could show
    assert re.search(r"^No verdict: GPT-2 of its size .* --exposures 200", said, re.MULTILINE)
    assert "stores" not in said
    assert "bits: with one seed, no difference can be told from chance" in progress
    (figure,) = (folder / "results/yours").rglob("comparison.pdf")
    assert f"figure: {figure.relative_to(folder)}\n" in said
    assert f"measurements: {figure.relative_to(folder).with_name('measurements.parquet')}\n" in said
    # what the study that ran before left stays
    assert not any((folder / "results").glob("*.*"))
    assert not (folder / "results/figures").exists()
    assert progress.count("done in") == 2
    assert "results/yours/block-width8-" in progress
    again, progress = run_command("bits", folder, *model, "--seeds", "0")
    assert again == said
    assert "Nothing to be done" in progress

    # an architecture of the study has no GPT-2 beside it, where it is the one that would stand there
    said, progress = run_command("bits", folder, "gpt2-2-1-d8", *SMALL, "--seeds", "0")
    assert progress.count("done in") == 1
    assert "gpt2-2-1-d8 has about" in progress
    assert "beside it" not in progress
    assert "GPT-2 of its size" not in said

    # training that diverges ends in one line; the other model's run is kept
    overlay = folder / "studies/wild.yaml"
    overlay.write_text(
        "recipes: {wild: {exposures: 40, lr: 1e9, weight_decay: 0, batch_size: 2, window: 64}}"
    )
    wild = (*SMALL[:2], str(overlay), "--dataset", "bioS-smoke", "--recipe", "wild", "--seeds", "0")
    said, progress = run_command("bits", folder, "studies/models/block.py:build", *wild, ok=False)
    assert "training diverged with seed 0" in progress.splitlines()[-1]
    assert "lower lr (now 1e+09)" in progress.splitlines()[-1].lower()
    assert "Traceback" not in progress
    assert not said


@pytest.mark.parametrize(
    ("model", "arguments", "fields", "expected"),
    [
        ("a/mine.py:build", {"width": 3}, {}, PythonModel("a/mine.py:build", {"width": 3})),
        ("Qwen3Config", {}, {"hidden_size": 8}, TransformersModel("Qwen3Config", {"hidden_size": 8})),
        ("some/config.json", {}, {}, TransformersModel("some/config.json")),
    ],
)
def test_what_a_model_may_be(
    model: str, arguments: dict[str, Any], fields: dict[str, Any], expected: object
) -> None:
    assert overlay_files.parse_model_argument(model, arguments, fields) == expected


def test_a_folder_is_a_trained_model(tmp_path: Path) -> None:
    for needed in ("config.json", "tokenizer.json"):
        with pytest.raises(
            UserError, match=f"there is no {needed} in this folder. Give one where transformers"
        ):
            overlay_files.parse_model_argument(str(tmp_path), {}, {})
        (tmp_path / needed).write_text("{}")
    assert overlay_files.parse_model_argument(str(tmp_path), {}, {}) == Checkpoint(str(tmp_path))
    with pytest.raises(UserError, match=r"--fields: .* has no use for it"):
        overlay_files.parse_model_argument(str(tmp_path), {}, {"a": 1})


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("mine.py", r"which function of this file makes the model\? Write mine.py:FUNCTION"),
        ("no/such/folder", r"no/such/folder: this names no model\. Write path/to/file\.py:function"),
        ("", "MODEL: this names no model"),
    ],
)
def test_what_is_no_model(model: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        overlay_files.parse_model_argument(model, {}, {})


def test_options_that_do_not_fit() -> None:
    with pytest.raises(
        UserError, match=r"--fields: mine.py:build has no use for it. A function takes --arguments"
    ):
        overlay_files.parse_model_argument("mine.py:build", {}, {"width": 3})
    with pytest.raises(UserError, match="--arguments: Qwen3Config has no use for it"):
        overlay_files.parse_model_argument("Qwen3Config", {"width": 3}, {})
    for text in ("{width: 3}", "[3]", ""):
        with pytest.raises(UserError, match=r"--arguments .*: these are no values in JSON\. Write"):
            overlay_files.parse_json_option(text, "--arguments")


def test_a_name_of_the_study_is_a_model_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    arguments = argparse.Namespace(model="llama-2-1-d12", arguments="{}", fields="{}", configfile=[])
    assert own_study.find_model(arguments) == Architecture(2, 1, 12, family="llama")
    arguments.fields = '{"hidden_size": 8}'
    with pytest.raises(UserError, match=r"--fields: the name llama-2-1-d12 says all about that model\."):
        own_study.find_model(arguments)
    arguments.model, arguments.fields = "llama-2-3-d16", "{}"
    with pytest.raises(
        UserError, match=r"llama-2-3-d16: a width of 16 does not divide among 3 heads\. Use .* 18\."
    ):
        own_study.find_model(arguments)
    arguments.model, arguments.fields = "Qwen3Config", '{"hidden_size": 8}'
    assert own_study.find_model(arguments) == TransformersModel("Qwen3Config", {"hidden_size": 8})


def test_names_that_the_configuration_lacks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(ROOT)
    study = overlay_files.make_study(*overlay_files.read_configuration([]))
    gpt2 = Architecture(2, 1, 8)
    assert overlay_files.find_dataset_and_recipe(study, "bioS-tiny", "bioS-1000", gpt2)[1].exposures == 1000
    with pytest.raises(UserError, match=r"--dataset bioS-tny: .* Did you mean 'bioS-tiny'"):
        overlay_files.find_dataset_and_recipe(study, "bioS-tny", "bioS-1000", gpt2)
    with pytest.raises(UserError, match="--recipe bioS-1: the configuration has no such recipe"):
        overlay_files.find_dataset_and_recipe(study, "bioS-tiny", "bioS-1", gpt2)
    with pytest.raises(UserError, match="--recipe paper-1000: the paper has no such recipe"):
        overlay_files.find_dataset_and_recipe(study, "bioS-tiny", "paper-1000", gpt2)
    with pytest.raises(UserError, match=r"nowhere.yaml: this file cannot be read"):
        overlay_files.read_configuration([tmp_path / "nowhere.yaml"])
    (tmp_path / "wrong.yaml").write_text("recipes: {bioS-1000: {lr: fast}}")
    with pytest.raises(UserError, match=r"recipes.bioS-1000.lr = 'fast'"):
        overlay_files.make_study(*overlay_files.read_configuration([tmp_path / "wrong.yaml"]))


@pytest.mark.parametrize("name", ["studies/models/canon.py:canon", "studies/models/looped.py:looped"])
@pytest.mark.parametrize("width", [4, 10, 64])
def test_the_gpt2_beside_it_has_as_many_parameters(name: str, width: int) -> None:
    yours = build_model(PythonModel(f"{ROOT}/{name}", {"width": width}), TEXTS.vocabulary, 64, seed=0)
    wanted = n_parameters(yours, TEXTS.used)
    other = overlay_files.nearest_gpt2(wanted, TEXTS)
    assert (other.family, other.layers, other.heads, other.width % 2) == ("gpt2", 2, 1, 0)
    found = n_parameters(build_model(other, TEXTS.vocabulary, 64, seed=0), TEXTS.used)
    assert abs(found - wanted) <= 2 * other.width + 1  # half of a neuron in each of two layers, twice over


def test_a_gpt2_is_its_own_neighbour() -> None:
    for width in (2, 12, 64):
        plain = Architecture(2, 1, width)
        size = n_parameters(build_model(plain, TEXTS.vocabulary, 64, seed=0), TEXTS.used)
        assert overlay_files.nearest_gpt2(size, TEXTS) == plain


def test_the_overlay_is_a_study_of_both_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(ROOT)
    config, _ = overlay_files.read_configuration([])
    yours = PythonModel("studies/models/block.py:build", {"width": 8})
    both: list[AnyArchitecture] = [yours, Architecture(2, 1, 8, mlp_width=30)]
    overlay = overlay_files.make_overlay(config, both, "bioS-tiny", "bioS-1000", 50, [3, 4])
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(overlay))
    study = overlay_files.make_study(*overlay_files.read_configuration([file]))
    assert list(study.experiments) == ["comparison"]
    runs = list(study.runs.values())
    assert {(run.architecture.slug, run.seed) for run in runs} == {(a.slug, s) for a in both for s in (3, 4)}
    assert {run.recipe.exposures for run in runs} == {50}
    with pytest.raises(UserError, match="--exposures 50: the exposures of paper-1000 are the paper's"):
        overlay_files.make_overlay(config, both, "bioS-tiny", "paper-1000", 50, [0])


@pytest.mark.slow
def test_texts_are_those_of_the_dataset_or_of_the_checkpoint(tmp_path: Path) -> None:
    dataset, recipe = BioS(n_people=20, templates=1), Recipe(exposures=1, lr=1e-3)
    own = overlay_files.text_statistics(dataset, recipe, Architecture(2, 1, 8))
    assert 0 < own.used < own.vocabulary
    assert 20 < own.shortest <= own.longest < 60
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(UserError, match="not a readable tokenizer"):
        overlay_files.text_statistics(dataset, recipe, Checkpoint(str(tmp_path)))
    words = {"<|endoftext|>": 0, "was": 1}
    model = {"type": "WordLevel", "vocab": words, "unk_token": "?"}
    (tmp_path / "tokenizer.json").write_text(json.dumps({"version": "1.0", "model": model}))
    with pytest.raises(UserError, match=r"cannot write the texts of this dataset .* Name the dataset"):
        overlay_files.text_statistics(dataset, recipe, Checkpoint(str(tmp_path)))


BIOS, PLAIN = BioS(n_people=20, templates=1), Recipe(exposures=9, lr=1e-2)


def test_an_adapter_is_asked_for_by_words() -> None:
    others = Base("others", 20, 9, 1e-2)
    assert parse_adapter("rank=4", BIOS, PLAIN, trained=False) == Adapter(4, base=others)
    assert parse_adapter("rank=4,targets=mlp", BIOS, PLAIN, trained=True) == Adapter(4, "mlp")
    strings = parse_adapter("rank=2,base=strings", BIOS, PLAIN, trained=False)
    assert strings == Adapter(2, base=replace(others, trained_on="strings"))
    assert parse_adapter("rank=2,base=none", BIOS, PLAIN, trained=False) == Adapter(2)
    for text in (
        "4",
        "rank=x",
        "rank=0",
        "targets=mlp",
        "rank=2,targets=mpl",
        "rank=2,base=mine",
        "rank=2,alpha=4",
    ):
        with pytest.raises(UserError, match=f"--adapter {text}: this is no adapter. Write rank=4"):
            parse_adapter(text, BIOS, PLAIN, trained=False)
    with pytest.raises(UserError, match="trained already, so it takes no base"):
        parse_adapter("rank=2,base=others", BIOS, PLAIN, trained=True)


@pytest.mark.slow
def test_an_adapter_is_trained_above_a_new_model_and_above_a_trained_one(tmp_path: Path) -> None:
    folder = copy_tree(tmp_path / "clone")
    adapter = (*SMALL, "--seeds", "0", "--adapter", "rank=2,targets=mlp")
    said, progress = run_command(
        "bits", folder, "studies/models/block.py:build", "--arguments", '{"width": 8}', *adapter
    )
    assert "trained parameters" in said
    assert "before, the model is trained on " in progress
    (trained,) = [path.parent for path in folder.glob("results/runs/*/gpt2-*/*/seed0/model.safetensors")]
    said, progress = run_command("bits", folder, str(trained), *adapter)  # so little trained, it knows nobody
    (line,) = [line.split() for line in said.splitlines() if line.startswith("seed0-")]
    record = json.loads(next(folder.glob("results/runs/*/seed0-*/*/seed0/run.json")).read_text())
    assert int(line[1].replace(",", "")) == record["trained_parameters"]
    assert "GPT-2" not in said


def test_a_profile_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(UserError, match=r"--profile lokal: there is no envs/lokal\. Did you mean 'local'\?"):
        running.run_snakemake([], "lokal", "1")
    with pytest.raises(
        UserError, match=r"--profile nope: there is no envs/nope\. Known: gpu, local, slurm\."
    ):
        running.run_snakemake([], "nope", "1")


@pytest.mark.parametrize("target", ["study", "plan", "cards", "publish"])
@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("STUDY=smoek", "there is no study smoek; there are: "),
        ("STUDY=smoke.yaml", "there is no study smoke.yaml; there are: "),
        ("PROFILE=nope", "there is no envs/nope; PROFILE may be: gpu local slurm."),
        ("PROFILE=", "there is no envs/; PROFILE may be: gpu local slurm."),
    ],
)
def test_make_names_a_study_or_profile_that_is_not_there(target: str, setting: str, said: str) -> None:
    done = make("--dry-run", target, setting)
    assert done.returncode != 0
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not done.stdout  # before anything is set up


def test_make_takes_the_studies_and_profiles_that_there_are() -> None:
    for setting in ("STUDY=smoke", "PROFILE=gpu", "STUDY="):
        assert make("--dry-run", "plan", setting).returncode == 0
    assert '--seeds "3"' in make("--dry-run", "noise", "SEEDS=3").stdout
    assert "--seeds $(seq 0 $((3 - 1)))" in make("--dry-run", "bits", "MODEL=a", "SEEDS=3").stdout
    # what stands at the top of the Makefile is its help, and nothing else
    assert make("help").stdout.splitlines()[-1].startswith("CORES=4 limits")


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make as from a shell, also where `make test` has started these tests: a make within another says so."""
    outer = ("MAKELEVEL", "MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "GNUMAKEFLAGS")
    environment = {key: value for key, value in os.environ.items() if key not in outer}
    return subprocess.run(
        ["make", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


def rows(
    *ratios: tuple[str, float],
    limited: bool = False,
    error: float = 0.01,
    late: float = 0.02,
    steps: int = 9000,
) -> pd.DataFrame:
    """Measurements of models of 1000 parameters with these R, a seed each in turn."""
    seeds: dict[str, int] = {}
    made = []
    for name, value in ratios:
        seeds[name] = seeds.get(name, -1) + 1
        made.append(
            {
                "architecture": name,
                "run": f"{name}/seed{seeds[name]}",
                "seed": seeds[name],
                "diverged": None,
                "lr": 0.02,
                "exposures": 1000,
                "train_steps": steps,
                "warmup_steps": 100,
                "late_share": late,
                "n_parameters": 1000,
                "bits_learned": 1000 * value,
                "bits_learned_low": 1000 * (value - 1.96 * error),
                "bits_learned_high": 1000 * (value + 1.96 * error),
                "capacity_ratio": value,
                "capacity_ratio_max": 2.0,
                "data_limited": limited,
                "bits_per_weight": 32.0,
            }
        )
    return pd.DataFrame(made)


def test_bits_per_stored_byte_are_told_where_a_checkpoint_has_other_bytes() -> None:
    both = rows(("yours", 0.8), ("gpt2", 0.5))
    assert "stored byte" not in own_model.format_answer(both, "yours", "gpt2")
    halves = both.assign(bits_per_weight=[16.0, 32.0])
    head, first, second = own_model.format_answer(halves, "yours", "gpt2").splitlines()[:3]
    assert head.endswith("bits per stored byte")
    assert [line.split()[-1] for line in (first, second)] == ["0.400", "0.125"]


def test_the_verdict_follows_the_interval() -> None:
    more = rows(*(("yours", r) for r in (0.8, 0.82, 0.81)), *(("gpt2", r) for r in (0.5, 0.52, 0.51)))
    said = own_model.format_answer(more, "yours", "gpt2")
    assert "In this setting your model stores more bits per parameter than GPT-2 of its size." in said
    assert "(3 seeds)" in said
    assert "your model stores fewer" in own_model.format_answer(more, "gpt2", "yours")
    wide = rows(("yours", 0.7), ("yours", 0.5), ("gpt2", 0.5), ("gpt2", 0.6))
    assert "No difference is shown" in own_model.format_answer(wide, "yours", "gpt2")
    both = [more[more.architecture == name] for name in ("yours", "gpt2")]
    found = ratio_interval([Pair({}, *both)])
    assert found
    assert found.mean == pytest.approx((0.8 / 0.5 * 0.82 / 0.52 * 0.81 / 0.51) ** (1 / 3))
    assert found.low < found.mean < found.high


def test_a_side_that_may_have_learned_nothing_gives_no_verdict() -> None:
    """The seeds are alike in their ratio, but two so far apart leave an interval about 0."""
    unsure = rows(("yours", 0.9), ("yours", 0.3), ("gpt2", 0.6), ("gpt2", 0.2))
    said = own_model.format_answer(unsure, "yours", "gpt2")
    assert "Not determined: the interval of your model and GPT-2 of its size holds 0." in said
    assert "stores" not in said
    one_side = rows(("yours", 0.9), ("yours", 0.83), ("gpt2", 0.1), ("gpt2", 0.08), error=0.001)
    assert "Not determined: the interval of GPT-2 of its size holds 0." in own_model.format_answer(
        one_side, "yours", "gpt2"
    )
    sure = rows(("yours", 0.9), ("yours", 0.87), ("gpt2", 0.6), ("gpt2", 0.58))
    assert "your model stores more bits" in own_model.format_answer(sure, "yours", "gpt2")


def test_a_model_from_elsewhere_that_knows_nothing_may_have_read_of_other_people() -> None:
    measured = rows(("yours", 0.0), ("gpt2", 0.6), steps=0)
    said = own_model.format_answer(measured, "yours", "gpt2")
    assert "R is 0.000 with seed 0" in said
    assert "Was it trained on these people? Check --dataset and --seeds." in said


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"late": readiness.LATE + 0.01}, "is still learning: it has learned 6.0 % of its bits"),
        ({"late": 2.219}, "is still learning: it has learned more than 90 % of its bits"),
        ({"steps": 150}, "is trained too short: 150 updates, of which 100 are the warm-up."),
    ],
)
def test_a_model_that_is_not_done_gives_no_verdict(values: dict[str, Any], reason: str) -> None:
    measured = [("yours", 0.9), ("yours", 0.87), ("gpt2", 0.6), ("gpt2", 0.58)]
    done, undone = rows(*measured), rows(*measured, **values)
    both = pd.concat([done[done.architecture == "yours"], undone[undone.architecture == "gpt2"]])
    said = own_model.format_answer(both, "yours", "gpt2")
    assert f"No verdict: GPT-2 of its size {reason}" in said
    assert "Train longer: --exposures 2000." in said
    assert "stores" not in said
    assert "No verdict: your model" not in said


def test_one_seed_is_said_to_be_one() -> None:
    said = own_model.format_answer(rows(("yours", 0.8), ("gpt2", 0.5)), "yours", "gpt2")
    assert (
        "With one seed, only published models of its kind, if there are any, tell how far other seeds lie."
        in said
    )
    assert "With this seed, and perhaps not with another, your model stores more bits" in said


def test_there_is_no_verdict_without_a_capacity() -> None:
    limited = own_model.format_answer(rows(("yours", 1.9), ("gpt2", 1.5), limited=True), "yours", "gpt2")
    assert "No verdict: the dataset is too small for your model and GPT-2 of its size." in limited
    assert "1 of 1 seeds" in limited
    nothing = own_model.format_answer(rows(("yours", -0.1), ("gpt2", -0.2)), "yours", "gpt2")
    assert nothing.count("cannot be told from one that learned nothing") == 2
    one = own_model.format_answer(rows(("yours", -0.1), ("gpt2", 0.5)), "yours", "gpt2")
    assert (
        "No verdict: your model cannot be told from one that learned nothing: R is -0.100 with seed 0," in one
    )
    assert "Make it larger, or train longer: --exposures 2000." in one
    assert "stores" not in one


def test_a_run_that_diverged_is_an_error() -> None:
    measured = rows(("yours", 0.8), ("gpt2", 0.5))
    measured.loc[0, "diverged"] = "the loss is nan at step 12 of about 300"
    with pytest.raises(
        UserError, match=r"yours: training diverged with seed 0: the loss is nan .* Lower lr \(now 0.02\)"
    ):
        own_model.format_answer(measured, "yours", "gpt2")
