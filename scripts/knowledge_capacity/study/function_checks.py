"""What is wrong with a function that makes a model, as far as its file tells without being run."""

import ast
import importlib.util
import symtable
import tokenize
from collections.abc import Iterator
from pathlib import Path

from ..config import Key, Problem, suggest_name
from ..specs import PythonModel

DYNAMIC = {
    "globals",
    "exec",
    "setattr",
    "__getattr__",
}  # by which a file may have names that do not stand in it
LITERALS = (ast.Constant, ast.JoinedStr, ast.List, ast.Tuple, ast.Dict, ast.Set)  # what nobody can call
PLACES = {("sys", "path"), ("sys", "meta_path"), ("sys", "modules"), ("site", "addsitedir")}
GIVEN = 2  # arguments that the study gives by position: the number of tokens, and the length of windows


def function_problems(key: Key, architecture: PythonModel) -> Iterator[Problem]:
    """A file, a function in it or an argument of it that is not there. key: of the architecture."""
    file, _, name = architecture.function.rpartition(":")
    key_of_function = (*key, "function")
    if not Path(file).is_file() or not name.isidentifier():
        yield Problem(key_of_function, "there is no such file", "Write path/to/file.py:function.")
        return
    try:
        with tokenize.open(file) as opened:  # in the encoding that the file says
            source = opened.read()
        tree, table = ast.parse(source, file), symtable.symtable(source, file, "exec")
    except (SyntaxError, ValueError) as error:
        yield Problem(key_of_function, f"{file} is not Python ({error})", "Correct that file.")
        return
    symbols = table.get_symbols()
    bound = {one.get_name() for one in symbols if one.is_assigned() or one.is_imported()}
    starred = any(isinstance(node, ast.ImportFrom) and node.names[0].name == "*" for node in tree.body)
    if name not in bound and not starred and not any(_mentions(node) for node in ast.walk(tree)):
        functions = [one.get_name() for one in symbols if one.is_namespace()]
        yield Problem(key_of_function, f"{file} has no such function", suggest_name(name, functions))
    elif _is_plain_value(tree, name):
        functions = [one.get_name() for one in symbols if one.is_namespace()]
        reason = f"{name} of {file} is a value, and no function"
        yield Problem(key_of_function, reason, suggest_name(name, functions))
    for reason, remedy in _import_problems(tree, Path(file)):
        yield Problem(key_of_function, f"{file} {reason}", remedy)
    if function := _find_plain_function(tree, name):
        yield from _argument_problems(key, architecture, function)


def _mentions(node: ast.AST) -> bool:
    return getattr(node, "id", getattr(node, "name", None)) in DYNAMIC


def _is_plain_value(tree: ast.Module, name: str) -> bool:
    """Whether a name is bound once in the file, to a literal."""
    bound = [node for node in ast.walk(tree) if _binds(node, name)]
    literal = [
        node.targets[0]
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, LITERALS)
    ]
    return len(bound) == 1 and bound[0] in literal


def _binds(node: ast.AST, name: str) -> bool:
    if isinstance(node, ast.Name):
        return node.id == name and isinstance(node.ctx, ast.Store)
    if isinstance(node, ast.alias):
        return (node.asname or node.name.partition(".")[0]) in (name, "*")
    return getattr(node, "name", None) == name


def _import_problems(tree: ast.Module, file: Path) -> Iterator[tuple[str, str]]:
    """What a file imports as soon as it is run and cannot have, with the remedy.

    Nothing is told where jobs have other packages than the process that asks (--sdm conda), so that torch is missing
    here too, and where the file says by itself where modules are looked for.
    """
    if not _is_installed("torch") or any(_tells_where_modules_are(node) for node in ast.walk(tree)):
        return
    for node in tree.body:  # an import within `try` or `if` may well fail
        if isinstance(node, ast.ImportFrom) and node.level:
            shown = "." * node.level + (node.module or "")
            yield (
                f"imports from {shown}, but it is run by itself, not as a part of a package",
                "Write the import without dots: files beside it are found.",
            )
            continue
        names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
        for module in dict.fromkeys(name.partition(".")[0] for name in names):
            beside = file.parent / module
            if not (beside.is_dir() or beside.with_suffix(".py").is_file() or _is_installed(module)):
                yield (
                    f"imports {module}, which is not installed (line {node.lineno})",
                    f"Install the package that has it, or put {module}.py beside that file.",
                )


def _is_installed(module: str) -> bool:
    """Whether there is a module of this name, without a dot. It is not imported."""
    try:
        return importlib.util.find_spec(module) is not None
    except ValueError:  # it is there already, and does not say from where
        return True


def _tells_where_modules_are(node: ast.AST) -> bool:
    """Whether code changes the paths of modules, as sys.path.append does."""
    if isinstance(node, ast.Attribute):
        return isinstance(node.value, ast.Name) and (node.value.id, node.attr) in PLACES
    return isinstance(node, ast.ImportFrom) and any((node.module, one.name) in PLACES for one in node.names)


def _find_plain_function(tree: ast.Module, name: str) -> ast.FunctionDef | None:
    """The function of a name; None where it is not sure to be what is called, as with decorators."""
    defined = [node for node in tree.body if getattr(node, "name", None) == name]
    stored = [
        node for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]
    if len(defined) != 1 or name in {node.id for node in stored}:
        return None
    one = defined[0]
    return one if isinstance(one, ast.FunctionDef) and not one.decorator_list else None


def _argument_problems(key: Key, architecture: PythonModel, function: ast.FunctionDef) -> Iterator[Problem]:
    takes = function.args
    by_position = [*takes.posonlyargs, *takes.args]
    if len(by_position) < GIVEN and not takes.vararg:
        reason = f"{function.name} is called with the number of tokens and the length of windows first"
        yield Problem((*key, "function"), reason, f"Write def {function.name}(vocabulary, window, …) there.")
        return
    names = [one.arg for one in takes.args[max(0, GIVEN - len(takes.posonlyargs)) :]]
    known = [*names, *(one.arg for one in takes.kwonlyargs)]
    for name in architecture.arguments:
        if name not in known and not takes.kwarg:
            reason = f"{function.name} takes no such argument"
            yield Problem((*key, "arguments", name), reason, suggest_name(name, known))
    needed = names[: len(names) - len(takes.defaults)] if len(names) > len(takes.defaults) else []
    optional = zip(takes.kwonlyargs, takes.kw_defaults, strict=True)
    needed += [one.arg for one, default in optional if default is None]
    if missing := [name for name in needed if name not in architecture.arguments]:
        reason = f"{function.name} needs a value for {' and '.join(missing)}"
        yield Problem((*key, "function"), reason, "Add it to arguments.")
