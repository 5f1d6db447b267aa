"""Nothing is run that nobody asked for: no pickle, no code from elsewhere, no text that a shell takes for a command."""

import ast
import re
from pathlib import Path

import pytest
import yaml
from helpers.run_workflow import SMOKE, copy_tree, planned, snakemake

ROOT = Path(__file__).parents[1]
SOURCES = sorted([*(ROOT / "scripts").rglob("*.py"), *(ROOT / "studies").rglob("*.py")])
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
FORBIDDEN_CALLS = {
    "eval",
    "exec",
    "os.system",
    "os.popen",
    "torch.load",
    "torch.save",
    "yaml.load",
    "numpy.save",
}
UNTRUSTED = {"shell": True, "trust_remote_code": True, "allow_pickle": True, "weights_only": False}
# what a rule may put into its command unquoted: words quoted already, fingerprints, and numbers that Snakemake checks
PLAIN = re.compile(
    r"params\.(code|model|texts|calibration|scored)|threads|(params|wildcards)\.seed|resources\.(processes|nodes|stack|runtime)"
)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_code_comes_from_data(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {alias.name for alias in node.names} | {getattr(node, "module", None)}
            assert not FORBIDDEN_MODULES & {str(name).partition(".")[0] for name in names}
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func).replace("np.", "numpy.") not in FORBIDDEN_CALLS, node.lineno
            for keyword in node.keywords:
                if keyword.arg in UNTRUSTED:
                    assert isinstance(keyword.value, ast.Constant), node.lineno
                    assert keyword.value.value is not UNTRUSTED[keyword.arg], node.lineno


@pytest.mark.parametrize("path", sorted((ROOT / "rules").glob("*.smk")), ids=lambda path: path.name)
def test_rules_quote_what_they_put_into_commands(path: Path) -> None:
    text = path.read_text()
    commands = re.findall(r"^ +shell:\n +command\(\n?((?: *\".*\"\n?)+)", text, re.MULTILINE)
    assert len(commands) == len(re.findall(r"^ +shell:", text, re.MULTILINE))
    for command in commands:
        for inserted in re.findall(r"\{([^{}]+)\}", command):
            assert inserted.endswith(":q") or PLAIN.fullmatch(inserted), inserted


HOSTILE = [
    "x; touch pwned",
    "$(touch pwned)",
    "`touch pwned`",
    "../../pwned",
    "/pwned",
    "&& touch pwned",
    "-rf",
]
MODEL = (
    "from torch import nn\ndef build(vocabulary, window):\n    return nn.Embedding(vocabulary, vocabulary)\n"
)
GRID = {"datasets": ["bioS-tiny"], "architectures": ["mine"], "recipes": ["short"]}
RECIPE = {"exposures": 2, "lr": 1e-2, "batch_size": 4, "window": 64, "warmup_steps": 1}


def with_overlay(
    tree: Path, architectures: dict[str, object], grid: dict[str, list[str]] = GRID, **more: object
) -> Path:
    law = {"seeds": [0], "variants": ["fp32"], "grids": [grid]}
    overlay = {"only": ["base_law"], "experiments": {"base_law": law}, "recipes": {"short": RECIPE}, **more}
    (tree / "study.yaml").write_text(yaml.safe_dump({**overlay, "architectures": architectures}))
    return tree


def test_names_that_are_commands_or_paths_are_refused(tmp_path: Path) -> None:
    tree = copy_tree(tmp_path / "tree")
    for name in HOSTILE:
        sizes: dict[str, object] = {name: {"layers": 2, "heads": 1, "width": 8}}
        with_overlay(
            tree, sizes, {**GRID, "architectures": [name]}, datasets={name: {"kind": "bioS", "n_people": 9}}
        )
        said = snakemake(tree, "--cores", "1", "--configfile", "study.yaml", ok=False)
        assert said.count("this cannot be a name") == 2, said
    assert not list(tmp_path.rglob("pwned"))


@pytest.mark.slow
def test_a_path_that_would_be_a_command_is_a_path(tmp_path: Path) -> None:
    tree = copy_tree(tmp_path / "tree")
    file = tree / "studies/models/$(touch pwned); `touch pwned` 'x' \"y\".py"
    file.write_text(MODEL)
    with_overlay(tree, {"mine": {"kind": "python", "function": f"{file.relative_to(tree)}:build"}})
    snakemake(tree, "--cores", "2", "--configfile", "study.yaml", "--until", "collect_study")
    assert not list(tmp_path.rglob("pwned"))
    (measurements,) = (tree / "results/runs").rglob("measurements.parquet")
    assert measurements.stat().st_size


def test_code_of_a_model_is_run_only_where_it_is_named_and_this_is_said(tmp_path: Path) -> None:
    tree = copy_tree(tmp_path / "tree")
    said = snakemake(tree, "--dry-run", "--cores", "1", "--configfile", "studies/beyond.yaml")
    assert "studies/models/canon.py:canon: this code is run, since the configuration names it" in said
    assert "this code is run" not in snakemake(tree, "--dry-run", "--cores", "1", *SMOKE)
    assert planned(tree, *SMOKE)
