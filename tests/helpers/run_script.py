"""Running a script in the process of a test, as from the command line."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
from knowledge_capacity import console

SCRIPTS = Path(__file__).parents[2] / "scripts"


def run_script(name: str, monkeypatch: pytest.MonkeyPatch, *options: str) -> int:
    """The exit status of a script with these options."""
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)  # where dataclasses look for what annotations mean
    spec.loader.exec_module(module)
    monkeypatch.setattr(sys, "argv", [name, *options])
    parsers: list[Any] = []
    real = console.main
    monkeypatch.setattr(console, "main", lambda job, parser: parsers.append((job, parser)))
    source = (SCRIPTS / f"{name}.py").read_text().partition('if __name__ == "__main__":')[2]
    exec("if True:" + source, module.__dict__)  # noqa: S102 (our own script's last lines)
    monkeypatch.setattr(console, "main", real)
    try:
        real(*parsers[0])
    except SystemExit as ended:
        return int(str(ended.code))
    return 0
