"""The half that only reads measurements stands on pandas alone: a laptop without torch can draw and judge."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
REPORT = ("writing", "redraw", "scorecard", "pages", "publish")  # the rest shows runs under way as well
ROOMS = ("measurements", "statistics", "figures", "verdicts", "experiments")
MODULES = [
    f"knowledge_capacity.{room}.{file.stem}"
    for room in ROOMS
    for file in sorted((SCRIPTS / "knowledge_capacity" / room).glob("*.py"))
    if file.stem != "__init__"
] + [f"knowledge_capacity.report.{name}" for name in REPORT]
# each module is imported as if it were the first one of the package
CODE = """
import importlib, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "transformers", "tokenizers", "safetensors"):
            raise ImportError(f"{name} is imported")

sys.meta_path.insert(0, Refuse())
for module in sys.argv[1:]:
    for loaded in [name for name in sys.modules if name.startswith("knowledge_capacity")]:
        del sys.modules[loaded]
    try:
        importlib.import_module(module)
    except ImportError as error:
        print(module, error)
"""


@pytest.mark.parametrize("room", [*ROOMS, "report"])
def test_no_module_of_a_room_that_reads_measurements_imports_torch(room: str) -> None:
    modules = [module for module in MODULES if f".{room}." in module]
    assert modules
    done = subprocess.run(
        [sys.executable, "-c", CODE, *modules],
        env={"PYTHONPATH": str(SCRIPTS), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout == ""
