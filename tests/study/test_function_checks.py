"""A function that makes a model is looked for in its file before anything starts, and its file is not run."""

from pathlib import Path
from typing import Any

import pytest
from knowledge_capacity.config import Problem
from knowledge_capacity.specs import PythonModel
from knowledge_capacity.study.function_checks import function_problems

MINE = """
from functools import partial
raise SystemExit("this file was run")
def build(vocabulary, window, width, layers=2, *, heads=1, loops): ...
def free(vocabulary, window, **more): ...
def short(vocabulary): ...
narrow = partial(build, width=4)
class Model:
    def build(self, other): ...
if True:
    def late(vocabulary, window): ...
"""


def problems(folder: Path, function: str, arguments: dict[str, Any], text: str = MINE) -> list[Problem]:
    file = folder / "mine.py"
    file.write_text(text)
    return list(function_problems(("yours",), PythonModel(f"{file}:{function}", arguments)))


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("free", {"width": 4, "any": None}),
        ("narrow", {"loops": 2}),  # what it takes is not written down
        ("Model", {"width": 4}),
        ("late", {"width": 4}),
        ("partial", {}),
    ],
)
def test_what_may_well_make_a_model_passes(tmp_path: Path, function: str, arguments: dict[str, Any]) -> None:
    assert problems(tmp_path, function, arguments) == []


GIVEN = {"width": 4, "loops": 1}


@pytest.mark.parametrize(
    ("function", "arguments", "key", "said"),
    [
        ("biuld", GIVEN, ["function"], "mine.py has no such function. Did you mean 'build'?"),
        ("short", {}, ["function"], "called with the number of tokens and the length of windows first."),
        (
            "build",
            {**GIVEN, "widht": 4},
            ["arguments", "widht"],
            "takes no such argument. Did you mean 'width'?",
        ),
        (
            "build",
            {**GIVEN, "window": 4},
            ["arguments", "window"],
            "takes no such argument. Known: heads, layers,",
        ),
        (
            "build",
            {"layers": 4},
            ["function"],
            "build needs a value for width and loops. Add it to arguments.",
        ),
    ],
)
def test_what_cannot_make_a_model_is_told(
    tmp_path: Path, function: str, arguments: dict[str, Any], key: list[str], said: str
) -> None:
    (one,) = problems(tmp_path, function, arguments)
    assert one.key == ("yours", *key)
    assert said in f"{one.reason}. {one.remedy}"


def test_files_that_cannot_be_read_are_told_and_those_that_make_names_are_not(tmp_path: Path) -> None:
    (one,) = problems(tmp_path, "build", {}, "def build(:")
    assert "is not Python (invalid syntax" in one.reason
    for text in ("from os import *", "globals()['build'] = dict", "def __getattr__(name): ..."):
        assert problems(tmp_path, "build", {}, text) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "import torch, no_such_package.layers",
            "mine.py imports no_such_package, which is not installed (line 1). Install the package that has it, or "
            "put no_such_package.py beside that file.",
        ),
        ("import os\nfrom no_such_package import layer", "not installed (line 2)."),
        ("from . import layer", "mine.py imports from ., but it is run by itself"),
        ("from .layers import layer", "Write the import without dots: files beside it are found."),
    ],
)
def test_an_import_that_cannot_work_is_told(tmp_path: Path, text: str, said: str) -> None:
    (one,) = problems(tmp_path, "build", {}, f"{text}\ndef build(vocabulary, window): ...\n")
    assert one.key == ("yours", "function")
    assert said in f"{one.reason}. {one.remedy}"


@pytest.mark.parametrize(
    "text",
    [
        "import torch.nn, beside, folder.of_mine, sys",
        "from __future__ import annotations\nfrom beside import layer",
        "try:\n    import no_such_package\nexcept ImportError:\n    pass",
        "import sys\nsys.path.append('elsewhere')\nimport no_such_package",
        "from sys import path\npath.append('elsewhere')\nimport no_such_package",
        "import __main__",
    ],
)
def test_imports_that_may_work_pass(tmp_path: Path, text: str) -> None:
    (tmp_path / "beside.py").touch()
    (tmp_path / "folder").mkdir()
    assert problems(tmp_path, "build", {}, f"{text}\ndef build(vocabulary, window): ...\n") == []


def test_imports_are_not_judged_where_jobs_have_other_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    text = "import no_such_package\ndef build(vocabulary, window): ...\n"
    assert problems(tmp_path, "build", {}, text) == []


@pytest.mark.parametrize("value", ["3", "'biuld'", "[biuld]", "{}"])
def test_a_value_is_no_function(tmp_path: Path, value: str) -> None:
    text = f"def biuld(vocabulary, window): ...\nbuild = {value}\n"
    (one,) = problems(tmp_path, "build", {}, text)
    assert one.key == ("yours", "function")
    assert one.reason.endswith("mine.py is a value, and no function")
    assert one.remedy == "Did you mean 'biuld'?"


@pytest.mark.parametrize(
    "text",
    [
        "build = 3\ndef build(vocabulary, window): ...",
        "build = None\nfor build in range(3): ...",
        "build = None\nfrom os import *",
        "build = dict",
    ],
)
def test_a_name_that_may_come_to_be_a_function_passes(tmp_path: Path, text: str) -> None:
    assert problems(tmp_path, "build", {}, text) == []
