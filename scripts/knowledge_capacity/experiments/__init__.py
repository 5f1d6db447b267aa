"""One module per experiment: its figure, its table and its claims, computed from the measurements alone."""

import ast
from collections.abc import Iterator
from pathlib import Path


def experiment_modules() -> list[str]:
    """The names of the experiments there is code for: modules that define `points` and `figure`."""
    return [name for name, body in _parsed() if {"points", "figure"} <= _functions(body)]


def paper_results() -> dict[int, str]:
    """The experiment of each numbered result of the paper: that whose module says RESULT = NUMBER."""
    found = {}
    for name, body in _parsed():
        for node in body:
            match node:
                case ast.Assign(targets=[ast.Name(id="RESULT")], value=ast.Constant(value=int(number))):
                    found[number] = name
    return dict(sorted(found.items()))


def _parsed() -> Iterator[tuple[str, list[ast.stmt]]]:
    """What each module says, without importing it: that would load the drawing library."""
    for file in sorted(Path(__file__).parent.glob("*.py")):
        yield file.stem, ast.parse(file.read_bytes()).body


def _functions(body: list[ast.stmt]) -> set[str]:
    return {node.name for node in body if isinstance(node, ast.FunctionDef)}
