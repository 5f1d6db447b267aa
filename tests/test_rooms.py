"""The folders of the package import each other one way: there is no circle."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

from helpers.run_workflow import ROOT

PACKAGE = ROOT / "scripts/knowledge_capacity"


def imported_folders(file: Path) -> set[str]:
    """The folders of the package that a file imports from, wherever in the file."""
    depth = len(file.relative_to(PACKAGE).parts)
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == depth:
            names = [node.module.partition(".")[0]] if node.module else [alias.name for alias in node.names]
            found |= {name for name in names if (PACKAGE / name).is_dir()}
    return found


def test_folders_import_each_other_one_way() -> None:
    folders = [folder for folder in PACKAGE.iterdir() if (folder / "__init__.py").exists()]
    graph: dict[str, set[str]] = {
        folder.name: set().union(*map(imported_folders, folder.rglob("*.py"))) - {folder.name}
        for folder in folders
    }
    assert len(graph) > 10
    assert graph["verdicts"] >= {"statistics"}
    list(TopologicalSorter(graph).static_order())  # raises CycleError
