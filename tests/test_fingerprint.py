"""Fingerprints: every edit of reached code shows, and nothing else does."""

import ast
import os
import shutil
from itertools import count
from pathlib import Path

import pytest
from knowledge_capacity import fingerprint
from knowledge_capacity.fingerprint import IMPORTED_BY_NAME, code_fingerprint

SCRIPTS = Path(__file__).parents[1] / "scripts"
LATER = count(1)

FILES = {
    "script.py": "import json\nfrom pkg.direct import answer\n\nprint(answer())\n",
    "pkg/__init__.py": "",
    "pkg/direct.py": (
        '"""Direct."""\n'
        "from .inner import deep\n"
        "\n\n"
        "def answer(times=2):\n"
        '    """The answer."""\n'
        "    # times two\n"
        '    return deep.VALUE * times + len("it\'s")\n'
        "\n\n"
        "class Empty:\n"
        '    """Nothing."""\n'
    ),
    "pkg/inner/__init__.py": "ON = True\n",
    "pkg/inner/deep.py": "from ..far import WORD\n\nVALUE = 21\n",
    "pkg/far.py": "WORD = 'far'\n",
    "pkg/unreached.py": "VALUE = 1\n",
    "unreached.py": "import pkg.unreached\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        write(tmp_path / name, text)
    return tmp_path


def write(path: Path, text: str) -> None:
    """Write a file with a time of its own, as if it had been edited later than everything before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    moment = 1_000_000_000 * (1_700_000_000 + next(LATER))
    os.utime(path, ns=(moment, moment))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {path}"
    write(path, text.replace(old, new))


def test_it_is_twelve_hexadecimal_digits_and_stays_the_same(root: Path, tmp_path: Path) -> None:
    found = code_fingerprint(root, "script.py")
    assert len(found) == 12
    assert set(found) <= set("0123456789abcdef")
    assert code_fingerprint(root, "script.py") == found
    elsewhere = shutil.copytree(root, tmp_path / "copy")
    assert code_fingerprint(elsewhere, "script.py") == found


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""Direct."""\n', ""),
        ('"""Direct."""', '"""Another\n\ndescription."""'),
        ('    """The answer."""\n', '    """Forty-two."""\n'),
        ('    """The answer."""\n', ""),
        ("    # times two\n", ""),
        ("    # times two\n", "    # twice\n    # or more\n"),
        ("    # times two\n", "\n\n"),
        ("(times=2)", "(\n    times=2,\n)"),
        ("* times", "  *  times"),
        ("deep.VALUE * times + len", "(deep.VALUE * times) + len"),
        ('"it\'s"', "'it\\'s'"),
        ('    """Nothing."""\n', '    """Not a thing."""\n'),
        ("times=2", "times=0x2"),
    ],
)
def test_prose_and_layout_do_not_show(root: Path, old: str, new: str) -> None:
    before = code_fingerprint(root, "script.py")
    edit(root / "pkg/direct.py", old, new)
    assert code_fingerprint(root, "script.py") == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("script.py", "print(answer())", "print(answer(), 1)"),
        ("script.py", "import json\n", "import math\n"),
        ("pkg/__init__.py", "", "X = 1\n"),
        ("pkg/direct.py", "times=2", "times=3"),
        ("pkg/direct.py", "times=2", "times=2.0"),
        ("pkg/direct.py", "times=2", "times=None"),
        ("pkg/direct.py", "* times +", "* times -"),
        ("pkg/direct.py", '"it\'s"', '"its"'),
        ("pkg/direct.py", "def answer", "@staticmethod\ndef answer"),
        ("pkg/direct.py", "def answer", "async def answer"),
        ("pkg/direct.py", "class Empty:", "class Empty(int):"),
        ("pkg/direct.py", "deep.VALUE * times + len", "deep.VALUE * (times + len"),
        ("pkg/inner/__init__.py", "ON = True", "ON = 1"),
        ("pkg/inner/deep.py", "VALUE = 21", "VALUE = 22"),
        ("pkg/far.py", "'far'", "'further'"),
    ],
)
def test_code_of_a_reached_file_shows(root: Path, file: str, old: str, new: str) -> None:
    before = code_fingerprint(root, "script.py")
    if old:
        edit(root / file, old, new)
    else:
        write(root / file, new)
    if "(times + len" in new:
        edit(root / file, '"it\'s")', '"it\'s"))')
    assert code_fingerprint(root, "script.py") != before


@pytest.mark.parametrize("source", ["pkg/direct.cpp", "pkg/direct/all.cpp", "pkg/direct/part.h"])
def test_the_kernels_beside_a_module_show(root: Path, source: str) -> None:
    before = code_fingerprint(root, "script.py")
    write(root / source, "int one;")
    with_kernels = code_fingerprint(root, "script.py")
    assert with_kernels != before
    write(root / source, "int two;")
    assert code_fingerprint(root, "script.py") not in (before, with_kernels)


@pytest.mark.parametrize(
    "file", ["pkg/unreached.py", "unreached.py", "pkg/unreached.cpp", "pkg/unreached/part.h"]
)
def test_code_of_other_files_does_not_show(root: Path, file: str) -> None:
    before = code_fingerprint(root, "script.py")
    write(root / file, "VALUE = 2\n")
    assert code_fingerprint(root, "script.py") == before
    (root / file).unlink()
    assert code_fingerprint(root, "script.py") == before


def test_a_string_that_is_no_docstring_is_code(root: Path) -> None:
    write(root / "script.py", 'x = 1\n"""Prose."""\n')
    before = code_fingerprint(root, "script.py")
    write(root / "script.py", 'x = "Prose."\n"""Prose."""\n')
    assert code_fingerprint(root, "script.py") != before


def test_moving_code_to_another_file_shows(root: Path) -> None:
    before = code_fingerprint(root, "script.py")
    (root / "pkg/far.py").rename(root / "pkg/near.py")
    edit(root / "pkg/inner/deep.py", "..far", "..near")
    assert code_fingerprint(root, "script.py") != before


@pytest.mark.parametrize(
    ("importer", "statement"),
    [
        ("script.py", "import pkg.inner.deep"),
        ("script.py", "import pkg.inner.deep as alias"),
        ("script.py", "import json, pkg.inner.deep"),
        ("script.py", "from pkg.inner import deep"),
        ("script.py", "from pkg.inner import deep as alias"),
        ("script.py", "from pkg.inner.deep import VALUE"),
        ("script.py", "from pkg.inner.deep import *"),
        ("script.py", "def f():\n    from pkg.inner import deep"),
        ("script.py", "if False:\n    import pkg.inner.deep"),
        ("script.py", "try:\n    import pkg.inner.deep\nexcept ImportError:\n    pass"),
        ("script.py", "class C:\n    async def f(self):\n        import pkg.inner.deep"),
        ("pkg/direct.py", "from .inner import deep"),
        ("pkg/direct.py", "from .inner.deep import VALUE"),
        ("pkg/inner/sibling.py", "from . import deep"),
        ("pkg/inner/sibling.py", "from .deep import VALUE"),
        ("pkg/inner/sibling.py", "from ..inner import deep"),
        ("pkg/inner/__init__.py", "from . import deep"),
        ("pkg/inner/__init__.py", "from .deep import VALUE"),
        ("pkg/inner/other/deeper.py", "from ...inner.deep import VALUE"),
        ("pkg/inner/other/deeper.py", "from .. import deep"),
    ],
)
def test_every_way_to_import_is_followed(root: Path, importer: str, statement: str) -> None:
    write(root / importer, statement + "\n")
    found = [code_fingerprint(root, importer)]
    edit(root / "pkg/inner/deep.py", "VALUE = 21", "VALUE = 22")
    found.append(code_fingerprint(root, importer))
    edit(root / "pkg/far.py", "'far'", "'further'")  # which deep.py imports
    found.append(code_fingerprint(root, importer))
    edit(root / "pkg/inner/deep.py", "from ..far import WORD", "from ..unreached import VALUE")
    found.append(code_fingerprint(root, importer))
    edit(root / "pkg/unreached.py", "VALUE = 1", "VALUE = 7")
    found.append(code_fingerprint(root, importer))
    assert len(set(found)) == 5


@pytest.mark.parametrize("statement", ["import pkg.inner.deep", "from pkg.inner.deep import VALUE"])
def test_packages_on_the_way_are_reached(root: Path, statement: str) -> None:
    write(root / "script.py", statement + "\n")
    before = code_fingerprint(root, "script.py")
    edit(root / "pkg/inner/__init__.py", "ON = True", "ON = False")
    between = code_fingerprint(root, "script.py")
    write(root / "pkg/__init__.py", "X = 1\n")
    assert len({before, between, code_fingerprint(root, "script.py")}) == 3


def test_files_that_import_each_other_come_to_an_end(root: Path) -> None:
    write(root / "pkg/far.py", "from . import direct\nWORD = 'far'\n")
    before = code_fingerprint(root, "script.py")
    edit(root / "pkg/far.py", "'far'", "'further'")
    assert code_fingerprint(root, "script.py") != before


def test_several_entries_count_together_in_any_order(root: Path) -> None:
    both = code_fingerprint(root, "script.py", "unreached.py")
    assert both == code_fingerprint(root, "unreached.py", "script.py")
    assert both not in (code_fingerprint(root, "script.py"), code_fingerprint(root, "unreached.py"))
    edit(root / "pkg/unreached.py", "VALUE = 1", "VALUE = 12")
    assert code_fingerprint(root, "script.py", "unreached.py") != both


def test_a_missing_entry_is_an_error(root: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"missing\.py"):
        code_fingerprint(root, "script.py", "missing.py")


def test_an_entry_that_is_not_python_is_an_error(root: Path) -> None:
    write(root / "script.py", "def (\n")
    with pytest.raises(SyntaxError):
        code_fingerprint(root, "script.py")


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """A copy of the project's scripts, to edit."""
    return shutil.copytree(SCRIPTS, tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__"))


def reached(scripts: Path, *entries: str) -> set[str]:
    """The modules of the library whose code shows in the fingerprint of these entries."""
    found = set()
    for file in sorted((scripts / "knowledge_capacity").rglob("*.py")):
        before, text = code_fingerprint(scripts, *entries), file.read_text()
        write(file, text + "\nEDITED = True\n")
        if code_fingerprint(scripts, *entries) != before:
            found.add(file.relative_to(scripts / "knowledge_capacity").as_posix().removesuffix(".py"))
        write(file, text)
        assert code_fingerprint(scripts, *entries) == before
    return found


def test_training_reaches_what_it_runs_and_no_more(scripts: Path) -> None:
    found = reached(scripts, "train.py")
    assert found >= {
        "specs/architectures",
        "specs/recipes",
        "files",
        "data/counter",
        "data/people",
        "data/pieces",
        "data/pools",
        "data/stream",
        "data/windows",
        "data/words/names",
        "data/words/templates",
        "models/decoder",
        "models/experts",
        "models/external",
        "models/ops",
        "models/store",
        "training/loop",
        "training/checkpoint",
        "training/schedule",
    }
    assert not found & {"config", "fingerprint", "specs/paper"}
    assert not {name for name in found if name.startswith("study")}
    assert not {
        name for name in found if name.startswith(("quantization", "measuring", "statistics", "experiments"))
    }


def test_data_reaches_no_model(scripts: Path) -> None:
    for entry in ("people.py", "tokenizer.py"):
        found = reached(scripts, entry)
        assert "data/words/names" in found
        assert not {name for name in found if name.startswith(("models", "training", "quantization"))}
        assert not {name for name in found if name.startswith("study")}


def test_quantising_reaches_the_method_it_is_given(scripts: Path) -> None:
    method = "knowledge_capacity/quantization/rtn.py"
    found = reached(scripts, "quantize.py", method)
    assert {"quantization/variants", "quantization/rtn", "models/store"} <= found
    others = ("training", "measuring", "statistics", "study")
    assert not {name for name in found if name.startswith(others)}
    assert "quantization/rtn" not in reached(scripts, "quantize.py")


def test_what_is_imported_by_name_stands_in_the_table() -> None:
    """Without, an edit of it would leave results as they are that it would change."""
    package = SCRIPTS / "knowledge_capacity"
    by_name = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and (getattr(node.func, "id", None) or getattr(node.func, "attr", None))
        in ("import_module", "__import__")
    }
    assert by_name == IMPORTED_BY_NAME.keys()
    for files, counted_by in IMPORTED_BY_NAME.values():
        assert all(list(package.glob(file)) for file in files.split())
        assert callable(getattr(fingerprint, counted_by))
