"""Every malformed configuration gives one clear line for each thing wrong, and a valid one gives its runs."""

import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers.run_workflow import TIMEOUT, copy_tree, make, snakemake
from hypothesis import example, given, settings
from hypothesis import strategies as st
from knowledge_capacity.config import ConfigError
from knowledge_capacity.measurements import collecting
from knowledge_capacity.specs import Architecture, Checkpoint, Experts, PythonModel, TransformersModel
from knowledge_capacity.study.study import Study, list_experiments
from snakemake.cli import parse_config
from snakemake.common.configfile import load_configfile
from snakemake.utils import update_config

ROOT = Path(__file__).parents[1]
EXPERIMENTS = ["base_law", "biod", "quantization"]
BASE = """\
datasets:
  people:
    kind: bioS
    n_people: 40
    templates: 2
    pools: {first_names: 8, middle_names: 8, last_names: 8}
  strings:
    kind: bioD
    n_people: 30
    attributes: 2
    diversity: 16
    length: 2
    symbols: 4
architectures:
  narrow: {layers: 2, heads: 2, width: 8}
recipes:
  short: {exposures: 50, lr: 1e-3, weight_decay: 0.01}
quantizers:
  int8: {bits: 8, method: rtn}
  int4: {bits: 4}
experiments:
  base_law:
    seeds: [0, 1]
    variants: [fp32, int8]
    grids:
      - datasets: [people, strings]
        architectures: [narrow, gpt2-2-2]
        recipes: [short]
  quantization:
    seeds: [1]
    variants: [fp32, int8, int4]
    grids:
      - {datasets: [people], architectures: [narrow], recipes: [short]}
"""
SECTIONS = "Known: architectures, datasets, experiments, extractions, only, quantizers, recipes, "
SECTIONS += "scored_people, seeds, source."
# an overlay, and the line that it gives
OVERLAYS: dict[str, tuple[str, str]] = {
    "value": (
        "recipes: {short: {lr: -2}}",
        "overlay.yaml: recipes.short.lr = -2: this is too small. Write more than 0.",
    ),
    "unknown key": (
        "recipes: {short: {rl: 2}}",
        "overlay.yaml: recipes.short.rl = 2: unknown key. Known: adapter, afterwards, average, batch_size,"
        " beta1, beta2, eps, exposures, final_lr, head_start, init_std, junk, lr, optimizer, other_lrs, precision, qat,"
        " snapshots, steps, text_mask, warmup_steps, weight_decay, window.",
    ),
    "list": (
        "experiments: {base_law: {variants: [fp32, int9]}}",
        "overlay.yaml: experiments.base_law.variants[1] = 'int9': there is no such quantizer or extraction."
        " Did you mean 'int8'?",
    ),
    "number for a section": (
        "recipes: 3",
        "overlay.yaml: recipes = 3: this is a whole number, not keys with values."
        " Write lines of `key: value` below it.",
    ),
    "heads against the other file's width": (
        "architectures: {narrow: {heads: 3}}",
        "overlay.yaml: architectures.narrow.heads = 3: a width of 8 does not divide among 3 heads."
        " Use a multiple of 6 as width, such as 12.",
    ),
    "pools against the other file's people": (
        "datasets: {people: {pools: {middle_names: 1, last_names: 2}}}",
        "overlay.yaml: datasets.people.pools.middle_names = 1: there are only 16 different names"
        " (8 first × 1 middle × 2 last) for 40 people. Use at most 16 people, or enlarge pools.",
    ),
    "width against the other file's heads": (
        "architectures: {narrow: {width: 7, layers: 3}}",
        "overlay.yaml: architectures.narrow.width = 7: a width of 7 does not divide among 2 heads."
        " Use a multiple of 4 as width, such as 8.",
    ),
    "every experiment null": (
        "experiments: {base_law: null, quantization: null}",
        "overlay.yaml: experiments: there is no experiment. Add one, or set one that is not null.",
    ),
    "missing key of a new recipe": (
        "recipes: {long: {lr: 0.1}}",
        "overlay.yaml: recipes.long.exposures: this key is missing. Add it: a whole number.",
    ),
    "key twice": (
        "recipes: {short: {lr: 2, lr: 3}}",
        "overlay.yaml: recipes.short.lr: this key stands twice (lines 1 and 1). Remove one.",
    ),
    "too few people to ask": (
        "datasets: {people: {n_people: 19}}\nextractions: {asked: {}}\n"
        "experiments: {quantization: {variants: [fp32, asked]}}",
        "overlay.yaml: experiments.quantization.variants[1] = 'asked': half of 19 people, as dataset people"
        " has, is too few to teach and to ask. Use a dataset of at least 20 people, or remove it.",
    ),
    "asking about random strings": (
        "datasets: {noise: {kind: random, n_strings: 40}}\nextractions: {asked: {}}\nexperiments: {base_law:"
        " {variants: [asked], grids: [{datasets: [noise], architectures: [narrow], recipes: [short]}]}}",
        "overlay.yaml: experiments.base_law.variants[0] = 'asked': nothing can be asked about dataset noise,"
        " since random strings have no names. Remove it, or put the dataset into another experiment.",
    ),
    "nothing wrong here": (
        "recipes: {short: {lr: 2, exposures: 1}}\ndatasets: {people: {n_people: -1}}",
        "overlay.yaml: datasets.people.n_people = -1: this is too small. Write at least 1.",
    ),
}

COMMAND_LINE: dict[str, tuple[str, str]] = {
    "value": (
        "recipes={short: {lr: -2}}",
        "--config: recipes.short.lr = '-2': this is too small. Write more than 0.",
    ),
    "type": (
        "recipes={short: {exposures: many}}",
        "--config: recipes.short.exposures = 'many': this is text, not a whole number. Write a whole number.",
    ),
    "key": (
        "zzz=3",
        f"--config: zzz = 3: unknown key. {SECTIONS}",
    ),
    "list": (
        "experiments={base_law: {seeds: [0, 1, 1]}}",
        "--config: experiments.base_law.seeds[2] = '1': it stands in this list already. Remove it.",
    ),
    "heads against the file's width": (
        "architectures={narrow: {heads: 3}}",
        "--config: architectures.narrow.heads = '3': a width of 8 does not divide among 3 heads."
        " Use a multiple of 6 as width, such as 12.",
    ),
}

# the content of a file, and the line that it gives after its name
UNREADABLE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "this file is empty, not keys with values. Write lines of `key: value`."),
    "comments only": (b"# a\n", "this file is empty, not keys with values. Write lines of `key: value`."),
    "list": (b"- a\n- b\n", "this file is a list, not keys with values. Write lines of `key: value`."),
    "text": (b"just text\n", "this file is text, not keys with values. Write lines of `key: value`."),
    "binary": (b"\x80\x81\xff\x00", "this file is not text. Write YAML, and save it as UTF-8."),
    "open bracket": (
        b"datasets: {\n",
        "line 2: this is not YAML (expected the node content, but found '<stream end>')."
        " Check colons, quotes, brackets and indents there.",
    ),
    "tab": (
        b"datasets:\n\tpeople: {}\n",
        "line 2: this is not YAML (found character '\\t' that cannot start any token)."
        " Put spaces where there is a tab.",
    ),
    "brace not closed": (
        b"recipes:\n  short: {lr: 1\n  long: {lr: 2}\n",
        "line 3: this is not YAML (expected ',' or '}', but got ':')."
        " Check that the { of line 2 is closed, and that commas stand between its entries.",
    ),
    "bracket not closed": (
        b"only: [biod\nscored_people: 3\n",
        "line 2: this is not YAML (expected ',' or ']', but got ':')."
        " Check that the [ of line 1 is closed, and that commas stand between its entries.",
    ),
    "quote not closed": (
        b"source: 'mine\nonly: null\n",
        "line 3: this is not YAML (found unexpected end of stream). Check that the quote of line 1 is closed.",
    ),
    "two colons": (
        b"a: b: c\n",
        "line 1: this is not YAML (mapping values are not allowed here)."
        " Check colons, quotes, brackets and indents there.",
    ),
    "no such date": (
        b"a: 2024-99-99\n",
        "this is not YAML (month must be in 1..12). Check colons, quotes, brackets and indents there.",
    ),
    "list as a key": (
        b"datasets:\n  [a]: 3\n",
        "datasets: line 2: a key is not text. Write `key: value`.",
    ),
    "endless": (
        b"datasets: &d\n  a: *d\n",
        "this is not YAML (it nests too deeply). Check colons, quotes, brackets and indents there.",
    ),
}


def malformed() -> dict[str, tuple[str, str, str]]:
    """By name: a part of BASE, what stands in its place, and the line this gives (see malformed.txt)."""
    cases = {}
    for block in (Path(__file__).parent / "malformed.txt").read_text().strip().split("\n\n")[1:]:
        name, *lines = block.split("\n")
        old, new, error = (
            "\n".join(x[2:] for x in lines if x.startswith(mark)) for mark in ("- ", "+ ", "= ")
        )
        assert name not in cases
        cases[name] = (old if new else f"{old}\n", new, error)
    return cases


def read(base: str, overlay: str | None = None, *command_line: str) -> Study:
    """The study from config.yaml here, an overlay and --config, as Snakemake merges and lists them."""
    Path("config.yaml").write_text(base)
    config = load_configfile("config.yaml")
    files = [Path("config.yaml")]
    if overlay is not None:
        Path("overlay.yaml").write_text(overlay)
        update_config(config, load_configfile("overlay.yaml"))
        files.insert(0, Path("overlay.yaml").absolute())
    update_config(config, parse_config(command_line))
    return Study(config, files, EXPERIMENTS)


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_architectures_of_every_kind_are_understood() -> None:
    Path("mine.py").write_text("def build(vocabulary, window, width, names): ...")
    Path("theirs").mkdir()
    for name in ("config.json", "tokenizer.json"):
        (Path("theirs") / name).write_text("{}")
    study = read(
        BASE,
        """
architectures:
  tied: {family: llama, layers: 2, heads: 2, width: 8, tied: true}
  mixture: {family: gpt2-moe, layers: 2, heads: 2, width: 8, experts: {top_k: 2, capacity: 1}}
  yours: {kind: python, function: "mine.py:build", arguments: {width: 8, names: [a, b]}}
  qwen: {kind: transformers, config: Qwen3Config, fields: {hidden_size: 16}}
  theirs: {kind: checkpoint, folder: theirs}
experiments:
  base_law:
    grids:
      - datasets: [people]
        architectures:
          [narrow, tied, mixture, yours, qwen, theirs, mistral-2-4, gpt2-no-mlp-3-1, llama-gelu-1-1]
        recipes: [short]
""",
    )
    found = {run.architecture for run in study.runs.values() if isinstance(run.architecture, Architecture)}
    assert found == {
        Architecture(2, 2, 8),
        Architecture(2, 2, 8, family="llama-tied"),
        Architecture(2, 2, 8, family="gpt2-moe", experts=Experts(top_k=2, capacity=1)),
        Architecture(2, 4, 256, family="mistral"),
        Architecture(3, 1, 64, family="gpt2-no-mlp"),
        Architecture(1, 1, 64, family="llama-gelu"),
    }
    others = [study.config.architectures[name] for name in ("yours", "qwen", "theirs")]
    assert others == [
        PythonModel("mine.py:build", {"width": 8, "names": ["a", "b"]}),
        TransformersModel("Qwen3Config", {"hidden_size": 16}),
        Checkpoint("theirs"),
    ]
    assert len(study.runs) == 9 * 2  # and what other experiments ask for is among them


TWINS = """
architectures:
  one: {kind: transformers, config: Qwen3Config, fields: {hidden_size: 16, rope_theta: 500, tie_word_embeddings: false}}
  other: {kind: transformers, config: given.json, fields: {hidden_size: 16}}
experiments: {base_law: {grids: [{datasets: [people], architectures: [%s], recipes: [short]}]}}
"""


def test_one_model_is_one_architecture_however_it_is_written() -> None:
    rope = {"rope_type": "default", "rope_theta": 500}
    Path("given.json").write_text(
        json.dumps({"model_type": "qwen3", "dtype": "float16", "hidden_size": 32, "rope_parameters": rope})
    )
    one, other = (read(BASE, TWINS % name).config.architectures[name] for name in ("one", "other"))
    assert one == other == TransformersModel("Qwen3Config", {"hidden_size": 16, "rope_parameters": rope})
    told = (
        "architectures.other: given.json: dtype has no effect: weights are made, trained and saved in float32"
    )
    assert read(BASE, TWINS % "other").implies()[0].startswith(told)
    with pytest.raises(
        ConfigError, match=r"architectures\[1\] = 'other': one and other are the same model\. Rem"
    ):
        read(BASE, TWINS % "one, other")
    with pytest.raises(
        ConfigError, match=r"fields.hidden_sise = 16: a Qwen3Config has no such field. Did you"
    ):
        read(BASE, (TWINS % "one").replace("hidden_size: 16, rope", "hidden_sise: 16, rope"))


def test_several_learning_rates_are_a_recipe_each() -> None:
    study = read(BASE, "recipes: {short: {other_lrs: [2e-3, 5e-4]}}")
    assert {run.recipe.lr for run in study.runs.values()} == {1e-3, 2e-3, 5e-4}
    assert len(study.runs) == 3 * 2 * 2 * 2
    # a rate more leaves the runs of the others as they are
    assert read(BASE).runs.keys() <= study.runs.keys()


def test_the_papers_recipes_need_no_entry() -> None:
    study = read(
        BASE,
        """
datasets: {people: {n_people: 50000, pools: {first_names: 400, middle_names: 400, last_names: 1000}}}
experiments:
  quantization: null
  base_law:
    grids:
      - datasets: [people]
        architectures: [gpt2-2-2, llama-2-2]
        recipes: [paper-100, paper-1000-steps]
""",
    )
    found = {(run.architecture.family, run.recipe.steps, run.recipe.lr) for run in study.runs.values()}
    assert found == {
        *[("gpt2", steps, 1e-3) for steps in (None, 175_000)],
        *[("llama", None, lr) for lr in (3e-4, 5e-4, 1e-3)],
        *[("llama", 175_000, lr) for lr in (5e-4, 1e-3, 2e-3)],
    }
    assert {run.recipe.batch_size for run in study.runs.values()} == {12, 96}


def test_a_recipe_of_the_papers_that_does_not_fit_is_named() -> None:
    with pytest.raises(ConfigError) as error:
        read(BASE.replace("        recipes: [short]", "        recipes: [paper-100]"))
    lines = str(error.value).splitlines()
    assert len(lines) == 2  # one for each dataset
    assert lines[0].startswith(
        "config.yaml: experiments.base_law.grids[0].recipes[0] = 'paper-100': the paper has"
    )
    assert all(line.endswith("Write a recipe of your own.") for line in lines)


def test_a_valid_configuration_gives_its_runs() -> None:
    study = read(BASE)
    people = "bioS-40-templates2-pools" + "[0-9a-f]{6}"
    strings = "bioD-30-K2-C1-D16-L2-T4"
    sizes, recipe = ("gpt2-2-2-d8", "gpt2-2-2"), "exposures50-lr1e-3"
    assert len(study.runs) == 2 * 2 * 2  # datasets × architectures × seeds; the other experiment adds none
    slugs = [slug.split("/") for slug in study.runs]
    assert {slug[0] for slug in slugs} == set(study.datasets)
    assert len(study.datasets) == 2
    assert strings in study.datasets
    assert any(slug.startswith(people.removesuffix("[0-9a-f]{6}")) for slug in study.datasets)
    assert {tuple(slug[1:]) for slug in slugs} == {
        (size, recipe, f"seed{seed}") for size in sizes for seed in (0, 1)
    }
    assert all(slug == run.slug for slug, run in study.runs.items())
    assert all(run.recipe.lr == 0.001 for run in study.runs.values())
    both = [slug for slug in study.runs if len(study.quantizers(slug, "rtn")) == 2]
    assert both == [slug for slug in study.runs if "bioS" in slug and "d8" in slug and "seed1" in slug]
    assert all(study.methods(slug) == ["rtn"] for slug in study.runs)


def test_a_run_is_asked_what_its_experiments_ask() -> None:
    study = read(
        BASE, "extractions: {asked: {rank: 2}}\nexperiments: {quantization: {variants: [int4, asked]}}"
    )
    asked = [slug for slug in study.runs if study.extractions(slug)]
    assert asked == [slug for slug in study.runs if "bioS" in slug and "d8" in slug and "seed1" in slug]
    assert [spec.slug for spec in study.extractions(asked[0])] == ["questions-rank2"]
    assert [spec.slug for spec in study.quantizers(asked[0], "rtn")] == ["int4-rtn", "int8-rtn"]


@pytest.mark.parametrize("lr", ["1e-3", "1E-3", "1.e-3", "0.001", "1.0e-3", "10e-4"])
def test_numbers_are_read_as_people_write_them(lr: str) -> None:
    study = read(BASE.replace("1e-3", lr))
    assert {run.recipe.lr for run in study.runs.values()} == {0.001}


def test_a_name_may_look_like_a_number() -> None:
    study = read(BASE.replace("short", "1e-3"))
    assert len(study.runs) == 8


def test_a_null_experiment_is_left_out() -> None:
    study = read(BASE, "experiments: {base_law: null}")
    assert list(study.experiments) == ["quantization"]
    assert len(study.runs) == 1


def test_lists_of_an_overlay_replace() -> None:
    assert len(read(BASE, "experiments: {base_law: {seeds: [2, 3, 4]}}").runs) == 2 * 2 * 3 + 1


def test_anchors_and_merges_are_read() -> None:
    base = BASE.replace("  narrow: {", "  narrow: &narrow {")
    study = read(base, None)
    assert len(study.runs) == 8
    study = read(base.replace("recipes:\n  short", "  wide: {<<: *narrow, width: 16}\nrecipes:\n  short"))
    wide = study.config.architectures["wide"]
    assert isinstance(wide, Architecture)
    assert wide.layers == 2


def test_the_command_line_sets_numbers_and_null() -> None:
    assert parse_config(["ab={c: 1}"]) == {"ab": {"c": "1"}}  # why this needs any care
    study = read(
        BASE,
        None,
        "recipes={short: {exposures: 7, lr: 2e-2, weight_decay: 0.5}}",
        "experiments={base_law: null, quantization: {seeds: [3, 4]}}",
    )
    assert {run.slug.partition("/gpt2")[2] for run in study.runs.values()} == {
        "-2-2-d8/exposures7-lr2e-2-wd0.5/seed3",
        "-2-2-d8/exposures7-lr2e-2-wd0.5/seed4",
    }


@pytest.mark.parametrize(
    ("old", "new", "line"), [pytest.param(*case, id=name) for name, case in malformed().items()]
)
def test_a_malformed_configuration_gives_its_line(old: str, new: str, line: str) -> None:
    assert BASE.count(old) == 1
    with pytest.raises(ConfigError) as error:
        read(BASE.replace(old, new))
    assert str(error.value).splitlines() == [f"config.yaml: {line}"]


@pytest.mark.parametrize("name", OVERLAYS)
def test_a_malformed_overlay_is_named(name: str) -> None:
    overlay, line = OVERLAYS[name]
    with pytest.raises(ConfigError) as error:
        read(BASE, overlay)
    assert str(error.value).splitlines() == [line]


@pytest.mark.parametrize("name", COMMAND_LINE)
def test_a_malformed_argument_is_named(name: str) -> None:
    argument, line = COMMAND_LINE[name]
    with pytest.raises(ConfigError) as error:
        read(BASE, None, argument)
    assert str(error.value).splitlines() == [line]


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_file_that_is_no_configuration_is_named(name: str) -> None:
    content, line = UNREADABLE[name]
    Path("config.yaml").write_bytes(content)
    with pytest.raises(ConfigError) as error:
        Study({}, ["config.yaml"], EXPERIMENTS)
    assert str(error.value).splitlines() == [f"config.yaml: {line}"]


@pytest.mark.parametrize("mistake", ["recipes:\n  wrong: {lr: 1\nonly: null\n", "recipes:\n\twrong: {}\n"])
def test_what_is_not_yaml_is_named_before_any_work(mistake: str, tmp_path: Path) -> None:
    """In config.yaml by Snakemake itself; in an overlay by make, since Snakemake reads that first."""
    tree = copy_tree(tmp_path / "tree")
    (tree / "studies/mine.yaml").write_text(mistake)
    for target in ("study", "plan"):
        said = make(tree, target, "STUDY=mine", "CORES=1", ok=False)
        assert re.search(r"^studies/mine\.yaml: line \d: this is not YAML \(.*\)\. \w", said, re.MULTILINE)
        assert "Config file" not in said  # as Snakemake would have said
    (tree / "config.yaml").write_text(mistake)
    said = snakemake(tree, "--cores", "1", ok=False)
    assert re.search(r"^config\.yaml: line \d: this is not YAML \(.*\)\. \w", said, re.MULTILINE)
    assert "Traceback" not in said
    assert not (tree / "results/data").exists()


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError) as error:
        Study({}, ["none.yaml"], EXPERIMENTS)
    line = "none.yaml: this file cannot be read (No such file or directory). Check its path."
    assert str(error.value).splitlines() == [line]


def test_the_value_that_holds_is_blamed_and_not_one_that_it_hides() -> None:
    with pytest.raises(ConfigError, match=r"^overlay\.yaml: recipes\.short\.lr = -2: "):
        read(BASE.replace("1e-3", "-1"), "recipes: {short: {lr: -2}}")
    with pytest.raises(ConfigError, match=r"^config\.yaml: recipes\.short\.lr = '-1e-3': "):
        read(BASE.replace("1e-3", "-1e-3"), "recipes: {short: {exposures: 3}}")


def test_several_things_wrong_give_a_line_each() -> None:
    base = BASE.replace("n_people: 40", "n_people: 0").replace("bits: 4", "bits: 9")
    with pytest.raises(ConfigError) as error:
        read(base, "recipes: {short: {lr: fast}}\nzzz: 1")
    assert set(str(error.value).splitlines()) == {
        "config.yaml: datasets.people.n_people = 0: this is too small. Write at least 1.",
        "overlay.yaml: recipes.short.lr = 'fast': this is text, not a number. Write a number.",
        "config.yaml: quantizers.int4.bits = 9: this is too large. Write at most 8.",
        f"overlay.yaml: zzz = 1: unknown key. {SECTIONS}",
    }


def test_several_things_impossible_together_give_a_line_each() -> None:
    base = BASE.replace("n_people: 40", "n_people: 999").replace("width: 8", "width: 7")
    with pytest.raises(ConfigError) as error:
        read(base.replace("[short]", "[shrt]"))
    assert [line.split(" = ")[0] for line in str(error.value).splitlines()] == [
        "config.yaml: datasets.people.n_people",
        "config.yaml: architectures.narrow.width",
        "config.yaml: experiments.base_law.grids[0].recipes[0]",
        "config.yaml: experiments.quantization.grids[0].recipes[0]",
    ]


def test_several_unreadable_files_give_a_line_each() -> None:
    Path("a.yaml").write_text("a: 1\na: 2\nb: 1\nb: 2\n")
    Path("b.yaml").write_text("[\n")
    with pytest.raises(ConfigError) as error:
        Study({}, ["a.yaml", "b.yaml"], EXPERIMENTS)
    assert [line.split(":")[0] for line in str(error.value).splitlines()] == ["a.yaml", "a.yaml", "b.yaml"]


@pytest.mark.parametrize("config", [{}, None])
def test_no_configuration_at_all(config: Any) -> None:
    with pytest.raises(ConfigError) as error:
        Study(config, [], EXPERIMENTS)
    assert all(line.startswith("--config: ") for line in str(error.value).splitlines())


VALID = yaml.safe_load(BASE.replace("1e-3", "0.001"))
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates() | st.binary()
)
WORDS = st.sampled_from(
    sorted({*VALID, "people", "short", "kind", "bioS", "bioD", "lr", "base_law", "grids"})
)
KEYS = WORDS | st.text(max_size=4) | st.integers() | st.booleans() | st.none() | st.dates()
VALUES = st.recursive(
    SCALARS | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """The valid configuration with something else at one place."""
    config = yaml.safe_load(BASE)
    part = config
    while True:
        key = draw(st.sampled_from(list(part) if isinstance(part, dict) else range(len(part))))
        if not isinstance(part[key], dict | list) or not part[key] or draw(st.integers(0, 3)) == 0:
            part[key] = draw(VALUES)
            return config
        part = part[key]


@settings(max_examples=200)
@given(VALUES | st.fixed_dictionaries(dict.fromkeys(VALID, VALUES)) | mutated())
@example("0")
def test_anything_else_gives_lines_too(config: Any) -> None:
    try:
        study = Study(config, [], EXPERIMENTS)
    except ConfigError as error:
        for line in str(error).split("\n"):
            assert line.splitlines() == [line]
            assert line.startswith("--config: ")
            assert line.endswith((".", "?"))
    else:
        assert study.runs
        assert all(math.isfinite(run.recipe.lr) for run in study.runs.values())


@pytest.mark.parametrize("overlay", [None, *sorted((ROOT / "studies").glob("*.yaml"))], ids=str)
def test_the_studies_here_are_valid_and_inherit_nothing_unsaid(
    overlay: Path | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)  # where the files of models that they name are
    config = load_configfile(ROOT / "config.yaml")
    files = [ROOT / "config.yaml"]
    if overlay:
        update_config(config, load_configfile(overlay))
        files.append(overlay)
    study = Study(config, files, list_experiments())
    assert study.runs
    assert study.inherited == []


@pytest.mark.parametrize("piece", sorted((ROOT / "studies").glob("*/*.yaml")), ids=str)
def test_slices_inherit_nothing_unsaid(piece: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    files = [ROOT / "config.yaml", piece.parent.with_suffix(".yaml"), piece]
    config: dict[str, Any] = {}
    for file in files:
        update_config(config, load_configfile(file))
    assert Study(config, ["config.yaml", *files[1:]], list_experiments()).inherited == []


def test_what_an_entry_takes_from_another_of_its_name_is_said() -> None:
    overlay = (
        "recipes: {short: {lr: 2, exposures: 1}}\ndatasets: {people: {n_people: 30, pools: {last_names: 9}}}"
    )
    assert read(BASE, overlay).inherited == [
        "overlay.yaml: datasets.people leaves kind, templates, pools.first_names, pools.middle_names as in "
        "config.yaml, which has this name too",
        "overlay.yaml: recipes.short leaves weight_decay as in config.yaml, which has this name too",
    ]
    whole = "recipes: {short: {exposures: 5, lr: 2, weight_decay: 0}, other: {exposures: 5, lr: 1}}"
    assert read(BASE, whole).inherited == []
    assert read(BASE, None, "recipes={short: {lr: 2}}").inherited == []


def test_of_several_overlays_the_one_that_holds_a_field_is_said() -> None:
    for name, text in (
        ("config", BASE),
        ("a", "recipes: {short: {lr: 2}}"),
        ("b", "recipes: {short: {exposures: 9}}"),
    ):
        Path(f"{name}.yaml").write_text(text)
    config: dict[str, Any] = {}
    for name in ("config", "a", "b"):
        update_config(config, load_configfile(f"{name}.yaml"))
    files = [Path("config.yaml"), Path("a.yaml").absolute(), Path("b.yaml").absolute()]
    assert Study(config, files, EXPERIMENTS).inherited == [
        "b.yaml: recipes.short leaves lr as in a.yaml, which has this name too",
        "b.yaml: recipes.short leaves weight_decay as in config.yaml, which has this name too",
    ]


def test_snakemake_stops_before_any_job_with_the_line(tmp_path: Path) -> None:
    for name in ("Snakefile", "config.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("rules", "scripts", "envs"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    Path("overlay.yaml").write_text("recipes: {wrong: {exposures: 10, lr: -1}}\n")
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "-n", "--configfile", "overlay.yaml"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        timeout=TIMEOUT,
        check=False,
    )
    output = done.stdout + done.stderr
    assert done.returncode != 0
    line = "overlay.yaml: recipes.wrong.lr = -1: this is too small. Write more than 0."
    assert line in output.splitlines()
    assert "Traceback" not in output


def test_junk_that_a_dataset_cannot_have_is_named() -> None:
    with pytest.raises(ConfigError) as error:
        read(BASE.replace("weight_decay: 0.01}", "weight_decay: 0.01, junk: {people: 473}}"))
    where = "config.yaml: experiments.base_law.grids[0].datasets"
    assert str(error.value).splitlines() == [
        f"{where}[0] = 'people': recipe short mixes in junk about 473 people, and with 40 of its own it has "
        "only 512 different names. Enlarge the dataset's pools of names, or lower junk.people.",
        f"{where}[1] = 'strings': recipe short mixes in junk, which only bioS has. Use a dataset of that "
        "kind, or a recipe without.",
        "config.yaml: experiments.quantization.grids[0].datasets[0] = 'people': recipe short mixes in junk "
        "about 473 people, and with 40 of its own it has only 512 different names. Enlarge the dataset's "
        "pools of names, or lower junk.people.",
    ]
    read(
        BASE.replace("weight_decay: 0.01}", "weight_decay: 0.01, junk: {people: 472}}").replace(
            ", strings]", "]"
        )
    )


def test_a_head_start_that_a_dataset_cannot_have_is_named() -> None:
    def lines(recipe: str) -> list[str]:
        with pytest.raises(ConfigError) as error:
            read(BASE.replace("weight_decay: 0.01}", f"weight_decay: 0.01, {recipe}}}"))
        return [line.split(": ", 2)[2] for line in str(error.value).splitlines()[:2]]

    assert lines("head_start: {people: 40, exposures: 1}") == [
        "the head start of recipe short has 40 people, and dataset people 40. Let it have fewer people than the "
        "dataset.",
        "recipe short has a head start, which only bioS has. Use a dataset of that kind.",
    ]
    assert lines("head_start: {people: 20, exposures: 9999}")[0] == (
        "the head start of recipe short has 199980 biographies, and the recipe 2000 in all. Lower its exposures, or "
        "its people."
    )


def test_adapters_and_averages_that_cannot_be_are_named() -> None:
    def lines(recipe: str, more: str = "") -> list[str]:
        with pytest.raises(ConfigError) as error:
            read(BASE.replace("weight_decay: 0.01}", f"weight_decay: 0.01, {recipe}}}") + more)
        return [line.split(": ", 1)[1] for line in str(error.value).splitlines()]

    base = "adapter: {{rank: 2, base: {{trained_on: others, people: {}, exposures: 9, lr: 0.1}}}}"
    found = lines(base.format(473))
    assert (
        "experiments.base_law.grids[0].recipes[0] = 'short': the base of recipe short has 473 people, and with 40 of "
        "its own dataset people has only 512 different names. Enlarge the dataset's pools of names, or lower the "
        "people of the base." in found
    )
    assert (
        "experiments.base_law.variants = ['fp32', 'int8']: recipe short trains an adapter, which is neither "
        "quantised nor asked. Leave fp32 alone there, or put the recipe into an experiment of its own."
        in found
    )
    assert any("a base of other people, whom only bioS has" in line for line in lines(base.format(9)))
    assert lines("adapter: {rank: 2}, average: 0.1")[0] == (
        "recipes.short.adapter: an adapter is trained without average. Remove one of them."
    )
    assert lines("average: 0.001")[0] == (
        "recipes.short.average = 0.001: the average is over points of the log, and so short a part may hold none. "
        "Write at least 0.01, or leave it out."
    )
    assert (
        lines("adapter: {rank: 0}")[0]
        == "recipes.short.adapter.rank = 0: this is too small. Write at least 1."
    )
    assert "unknown name. Did you mean 'mlp'?" in lines("adapter: {rank: 1, targets: mpl}")[0]


@pytest.mark.parametrize(("part", "has"), [("mlp: none", "none"), ("family: gpt2-moe", "one of experts")])
def test_an_adapter_of_a_part_that_a_model_has_not_is_told(part: str, has: str) -> None:
    text = BASE.replace("weight_decay: 0.01}", "weight_decay: 0.01, adapter: {rank: 2, targets: mlp}}")
    with pytest.raises(
        ConfigError, match=f"the adapter of recipe short updates the MLP, and narrow has {has}"
    ):
        read(text.replace("heads: 2, width: 8}", f"heads: 2, width: 8, {part}}}"))


def test_an_architecture_that_is_that_of_a_family_is_named_so() -> None:
    overlay = """
architectures: {mine: {layers: 1, heads: 1, width: 8, family: llama, tied: false}}
experiments: {base_law: {grids: [{datasets: [people], architectures: [mine], recipes: [short]}]}}
"""
    study = read(BASE, overlay)
    assert "architectures.mine: this is llama-1-1-d8, and is named so" in study.implies()
    assert {run.architecture.slug for run in study.runs.values()} >= {"llama-1-1-d8"}
    twins = overlay.replace("[mine]", "[mine, llama-1-1-d8]")
    with pytest.raises(ConfigError, match="mine and llama-1-1-d8 are the same model"):
        read(BASE, twins)


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        (
            "afterwards: {people: 473, exposures: 1}",
            "recipe short goes on with 473 other people, and with 40 of its own dataset people has only 512 different "
            "names. Enlarge the dataset's pools of names, or lower afterwards.people.",
        ),
        (
            "afterwards: {people: 3, exposures: 1}",
            "recipe short goes on with other people, whom only bioS has. Use a dataset of that kind.",
        ),
        (
            "afterwards: {people: 3, exposures: 1}, final_lr: 0",
            "the rate of the schedule's end is 0, by which nothing is learned afterwards. Give it an lr.",
        ),
        (
            "afterwards: {people: 3, exposures: 1}, junk: {people: 9}",
            "other people are those of the junk. Remove it, or junk.",
        ),
        (
            "afterwards: {people: 3, exposures: 1}, average: 0.1",
            "the average would be of weights before and after others came. Remove it, or average.",
        ),
        (
            "afterwards: {people: 3, exposures: 1}, steps: 9",
            "other people follow after all exposures, and a number of steps knows none. Remove it, or steps.",
        ),
        (
            "snapshots: true, qat: {bits: 4}",
            "weights on the way are not rounded as those at the end are. Remove it, or qat.",
        ),
        (
            "snapshots: true, average: 0.1",
            "weights on the way are not averaged as those at the end are. Remove it, or average.",
        ),
        (
            "snapshots: true, steps: 9",
            "weights are kept after so many exposures, and a number of steps knows none. Remove it, or steps.",
        ),
    ],
)
def test_what_snapshots_and_other_people_afterwards_do_not_go_with(recipe: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        read(BASE.replace("weight_decay: 0.01}", f"weight_decay: 0.01, {recipe}}}"))
    assert said in [line.split(": ", 2)[2].rpartition("}: ")[2] for line in str(error.value).splitlines()]


def test_weights_on_the_way_are_asked_for_without_being_listed() -> None:
    assert "snapshots" not in read(BASE).asked()["base_law"]
    study = read(BASE.replace("{exposures: 50,", "{exposures: 6, snapshots: true,"))
    wanted = collecting.parse_requests(json.dumps(study.asked()))
    for run in study.runs.values():
        assert {"fp32", "after-1", "after-2", "after-5"} <= wanted[run.slug].keys()
        assert "base_law" in wanted[run.slug]["after-2"]


def test_a_checkpoint_keeps_no_weights_on_the_way() -> None:
    Path("theirs").mkdir()
    for name in ("config.json", "tokenizer.json"):
        (Path("theirs") / name).write_text("{}")
    text = BASE.replace("weight_decay: 0.01}", "weight_decay: 0.01, snapshots: true}")
    with pytest.raises(
        ConfigError,
        match="recipe short has snapshots, and checkpoint saved is only measured",
    ):
        read(
            text,
            "architectures: {saved: {kind: checkpoint, folder: theirs}}\nexperiments: {base_law: {grids: [{datasets: "
            "[people], architectures: [saved], recipes: [short]}]}}",
        )


def test_fields_that_only_the_own_decoder_knows_are_refused_for_others() -> None:
    text = BASE.replace("weight_decay: 0.01}", "weight_decay: 0.01, text_mask: true, init_std: width}")
    read(text)
    other = "{kind: transformers, config: GPT2Config, fields: {n_embd: 16, n_layer: 1, n_head: 1}}"
    with pytest.raises(
        ConfigError, match="recipe short has init_std, of which their knows nothing, since it comes"
    ):
        read(
            text,
            f"architectures: {{their: {other}}}\nexperiments: {{base_law: {{grids: [{{datasets: [people], "
            "architectures: [their], recipes: [short]}]}}",
        )


@pytest.mark.parametrize("value", ["widht", "0", "-1", "[1]"])
def test_a_choice_between_names_and_numbers_is_told_once(value: str) -> None:
    text = BASE.replace("weight_decay: 0.01}", f"weight_decay: 0.01, init_std: {value}}}")
    with pytest.raises(ConfigError) as error:
        read(text)
    (line,) = [line for line in str(error.value).splitlines() if "recipes.short" in line]
    assert line.endswith(": this is none of what it may be. Write width or a number more than 0.")
    # YAML takes 1e-2 for text
    written = read(BASE.replace("weight_decay: 0.01}", "weight_decay: 0.01, init_std: 1e-2}"))
    assert written.config.recipes["short"].init_std == 0.01


def test_qat_is_asked_for_the_quantizers_that_its_recipes_train_with() -> None:
    def lines(qat: str, variants: str) -> list[str]:
        base = BASE.replace("weight_decay: 0.01}", f"weight_decay: 0.01, qat: {qat}}}")
        base = base.replace("  quantization:", "  qat:").replace("variants: [fp32, int8, int4]", variants)
        Path("config.yaml").write_text(base)
        try:
            Study(load_configfile("config.yaml"), ["config.yaml"], [*EXPERIMENTS, "qat"])
        except ConfigError as error:
            return str(error).splitlines()
        return []

    where = "config.yaml: experiments.qat.grids[0].recipes[0] = 'short': qat needs the recipe's own quantizer"
    assert lines("{bits: 4}", "variants: [fp32, int4]") == []
    assert lines("{bits: 4}", "variants: [fp32, int8]") == [
        f"{where} (int4-rtn) among its variants. Add int4 there."
    ]
    assert lines("{bits: 3}", "variants: [fp32, int8, int4]") == [
        f"{where} (int3-rtn) among its variants. Name it among quantizers, and add that name there."
    ]
