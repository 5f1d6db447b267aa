"""Fingerprints of source code: what a script's results can depend on, and nothing else.

Snakemake sees neither an edit of an imported module nor the difference between prose and code. A fingerprint
covers a script and every local module it imports, directly or not, and the C++ of a module, which stands beside
it in a file or a folder of its name. It changes when their code does: not with comments, docstrings or layout of
Python.
"""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any


def fingerprint(root: Path, *entries: str) -> str:
    """Twelve hex digits for the code reached from `entries`, paths below `root`.

    Raises FileNotFoundError for an entry that does not exist, SyntaxError for one that is not Python.
    """
    todo = [root / entry for entry in entries]
    reached: dict[str, str] = {}
    while todo:
        file = todo.pop()
        name = file.relative_to(root).as_posix()
        if name not in reached:
            stat = file.stat()
            reached[name], imported = _read(file, root, stat.st_mtime_ns, stat.st_size)
            todo.extend(imported)
            folder = file.with_suffix("")
            for source in (file.with_suffix(".cpp"), *folder.glob("*.cpp"), *folder.glob("*.h")):
                if source.is_file():
                    name = source.relative_to(root).as_posix()
                    reached[name] = hashlib.sha256(source.read_bytes()).hexdigest()
    lines = "".join(f"{name} {digest}\n" for name, digest in sorted(reached.items()))
    return hashlib.sha256(lines.encode()).hexdigest()[:12]


@cache
def _read(file: Path, root: Path, modified: int, size: int) -> tuple[str, tuple[Path, ...]]:
    """Digest of one file's code, and the local files it imports."""
    tree = ast.parse(file.read_bytes(), filename=str(file))
    imported = tuple(_imports(tree, file, root))
    for node in ast.walk(tree):
        match node:
            case ast.Module() | ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                if ast.get_docstring(node, clean=False) is not None:
                    node.body = node.body[1:]
    return hashlib.sha256(_canonical(tree).encode()).hexdigest(), imported


def _canonical(node: Any) -> str:
    """A syntax tree as text that does not depend on the version of Python (unlike `ast.dump`)."""
    if isinstance(node, ast.AST):
        kept = ((name, value) for name, value in ast.iter_fields(node) if value is not None and value != [])
        return f"{type(node).__name__}({','.join(f'{name}={_canonical(value)}' for name, value in kept)})"
    if isinstance(node, list):
        return f"[{','.join(_canonical(item) for item in node)}]"
    return repr(node)


def _imports(tree: ast.Module, file: Path, root: Path) -> Iterator[Path]:
    """Files below root that a module imports directly, packages' __init__ files included."""
    package = file.parent.relative_to(root).parts
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            dotted = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            prefix = ".".join((*base, *filter(None, [node.module])))
            dotted = [prefix, *(f"{prefix}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in dotted:
            parts = name.split(".")
            for i in range(1, len(parts) + 1):
                path = root.joinpath(*parts[:i])
                yield from (f for f in (path.with_suffix(".py"), path / "__init__.py") if f.is_file())
