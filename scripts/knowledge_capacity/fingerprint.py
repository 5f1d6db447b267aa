"""Fingerprints of source code: what a script's results can depend on, and nothing else.

Snakemake sees neither an edit of an imported module nor the difference between prose and code. A fingerprint
covers a script and every local module it imports, directly or not, and the C++ of a module, which stands beside
it in a file or a folder of its name. It changes when their code does: not with comments, docstrings or layout of
Python.
"""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from .specs import STORED, PythonModel, Run

PACKAGE = "knowledge_capacity"
# Modules that are imported by their names, so that an edit of one runs again only what uses it. By the module that
# imports them: which they may be, and the function here that counts them where they are used.
IMPORTED_BY_NAME = {
    "training/qat.py": ("quantization/rtn.py quantization/variants.py", "own_fingerprint"),
    "quantization/variants.py": ("quantization/*.py", "method_fingerprint"),
    "data/corpus.py": ("data/prose.py", "tokenizer_fingerprint"),
    "experiments/_contract.py": ("experiments/*.py", "figure_fingerprint"),
}

DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def code_fingerprint(root: Path, *entries: str) -> str:
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
            reached[name], imported = _digest_source(file, root, stat.st_mtime_ns, stat.st_size)
            todo.extend(imported)
            folder = file.with_suffix("")
            for source in (file.with_suffix(".cpp"), *folder.glob("*.cpp"), *folder.glob("*.h")):
                if source.is_file():
                    name = source.relative_to(root).as_posix()
                    reached[name] = hashlib.sha256(source.read_bytes()).hexdigest()
    lines = "".join(f"{name} {digest}\n" for name, digest in sorted(reached.items()))
    return hashlib.sha256(lines.encode()).hexdigest()[:12]


def training_fingerprint(scripts: Path, run: Run) -> str:
    """Fingerprints of all code that training a run depends on: the study's, and what it has of its own."""
    return code_fingerprint(scripts, "train.py") + own_fingerprint(scripts, run)


def own_fingerprint(scripts: Path, run: Run) -> str:
    """Fingerprints of what a run has of its own; most have nothing.

    That is the file of a function, with those beside it that it imports, and with qat the rounding and what is rounded.
    """
    found = ""
    if run.recipe.qat:
        files, _ = IMPORTED_BY_NAME["training/qat.py"]
        found += code_fingerprint(scripts, *(f"{PACKAGE}/{file}" for file in files.split()))
    match run.architecture:
        case PythonModel(function=function):
            file = Path(function.rpartition(":")[0])
            found += code_fingerprint(file.parent, file.name)
    return found


def tokenizer_fingerprint(scripts: Path, kind: str) -> str:
    """Of what makes the tokenizer of a kind of dataset: of stored texts, their grammar too."""
    return code_fingerprint(
        scripts, "tokenizer.py", *([f"{PACKAGE}/data/prose.py"] if kind in STORED else [])
    )


def method_fingerprint(scripts: Path, method: str) -> str:
    """Of what quantizes with a method."""
    return code_fingerprint(scripts, "quantize.py", f"{PACKAGE}/quantization/{method}.py")


def figure_fingerprint(scripts: Path, experiment: str) -> str:
    """Of what draws an experiment."""
    return code_fingerprint(scripts, f"{PACKAGE}/report/redraw.py", f"{PACKAGE}/experiments/{experiment}.py")


def scorecard_fingerprint(scripts: Path, experiments: Iterable[str]) -> str:
    """Of what judges the claims of experiments."""
    return code_fingerprint(scripts, "draw.py", *(f"{PACKAGE}/experiments/{name}.py" for name in experiments))


@cache
def _digest_source(file: Path, root: Path, modified: int, size: int) -> tuple[str, tuple[Path, ...]]:
    """Digest of one file's code, and the local files it imports."""
    found: list[ast.Import | ast.ImportFrom] = []
    code = _canonical_text(ast.parse(file.read_bytes(), filename=str(file)), found)
    imported = tuple(path for node in found for path in _imported_files(node, file, root))
    return hashlib.sha256(code.encode()).hexdigest(), imported


def _canonical_text(node: Any, imports: list[ast.Import | ast.ImportFrom]) -> str:
    """A syntax tree as text that does not depend on the version of Python (unlike `ast.dump`), without docstrings.

    imports: what it imports is added to them.
    """
    if isinstance(node, ast.AST):
        if isinstance(node, ast.Import | ast.ImportFrom):
            imports.append(node)
        elif isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
        kept = [
            f"{name}={_canonical_text(value, imports)}"
            for name in node._fields
            if (value := getattr(node, name, None)) is not None and value != []
        ]
        return f"{type(node).__name__}({','.join(kept)})"
    if isinstance(node, list):
        return f"[{','.join([_canonical_text(item, imports) for item in node])}]"
    return repr(node)


def _imported_files(node: ast.Import | ast.ImportFrom, file: Path, root: Path) -> Iterator[Path]:
    """Files below root that a module imports directly, packages' __init__ files included."""
    if isinstance(node, ast.Import):
        dotted = [alias.name for alias in node.names]
    else:
        package = file.parent.relative_to(root).parts
        base = package[: len(package) - node.level + 1] if node.level else ()
        prefix = ".".join((*base, *filter(None, [node.module])))
        dotted = [prefix, *(f"{prefix}.{alias.name}" for alias in node.names)]
    for name in dotted:
        parts = name.split(".")
        if not (root / parts[0]).exists() and not (root / f"{parts[0]}.py").exists():
            continue
        for i in range(1, len(parts) + 1):
            path = root.joinpath(*parts[:i])
            yield from (f for f in (path.with_suffix(".py"), path / "__init__.py") if f.is_file())
