"""What is wrong with a function that makes a model, as far as its file tells without being run."""

import ast
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
    if function := _find_plain_function(tree, name):
        yield from _argument_problems(key, architecture, function)


def _mentions(node: ast.AST) -> bool:
    return getattr(node, "id", getattr(node, "name", None)) in DYNAMIC


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
