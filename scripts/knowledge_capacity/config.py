"""Reading a configuration: one clear line for everything that is wrong with it.

A line names the file, the key and the value, says what is wrong with it, and what would be right.
"""

import difflib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import yaml
from pydantic import TypeAdapter, ValidationError

Key = tuple[str | int, ...]

# YAML 1.1 takes 1e-3 for a word, since its numbers need a point; people mean the number
SCIENTIFIC = re.compile(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+")

REMEDIES = {
    "missing": "Add it.",
    "int_type": "Write a whole number.",
    "int_from_float": "Write a whole number.",
    "float_type": "Write a number.",
    "list_type": "Write a list: [a, b].",
    "dict_type": "Write keys with values below it.",
    "dataclass_type": "Write keys with values below it.",
    "string_type": "Write a name; put it in quotes if it looks like a number.",
    "too_short": "Put at least one entry in the list.",
    "greater_than": "Write a larger number.",
    "greater_than_equal": "Write a larger number.",
    "less_than": "Write a smaller number.",
    "less_than_equal": "Write a smaller number.",
    "finite_number": "Write a finite number.",
}


class ConfigError(Exception):
    """Everything that is wrong with a configuration, a line each."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong: at which key, with which value, why, and what to do about it."""

    key: Key
    value: Any
    reason: str
    remedy: str


class Sources:
    """The files a configuration was merged from, to tell which one holds a key.

    Raises ConfigError for a file that gives the same key twice, which YAML itself lets pass.
    """

    def __init__(self, files: Iterable[Path]) -> None:
        self.files = {path: _read(path) for path in files}

    def holding(self, key: Key) -> str:
        """The last file that sets the key or, where none does, the nearest key above it."""
        for depth in range(len(key), 0, -1):
            for path in reversed(self.files):
                if _has(self.files[path], key[:depth]):
                    return str(path)
        return str(next(reversed(self.files))) if not key and self.files else "--config"

    def line(self, problem: Problem) -> str:
        """The problem as one line."""
        value = "" if problem.value is None else f" = {_short(problem.value)}"
        where = dotted(problem.key)
        return f"{self.holding(problem.key)}: {where}{value}: {problem.reason}. {problem.remedy}"


def parse(schema: Any, config: dict[str, Any]) -> tuple[Any, list[Problem]]:
    """The configuration as an instance of `schema` (a dataclass), or None and what is wrong with it."""
    try:
        return TypeAdapter(schema).validate_json(json.dumps(_numbers(config), default=str)), []
    except ValidationError as error:
        return None, [_problem(details, config, schema) for details in error.errors()]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A remedy for an unknown name: the nearest known one, or all of them."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f"Did you mean {near[0]!r}?"
    return f"Known: {', '.join(known) or 'none'}."


def dotted(key: Key) -> str:
    """("a", "b", 0) → a.b[0]."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key)
    return text.removeprefix(".") or "the configuration"


def _problem(details: Any, config: dict[str, Any], schema: Any) -> Problem:
    """What pydantic found, in our words."""
    found, location = details["type"], details["loc"]
    key: Key = ()
    for i, part in enumerate(location):
        # pydantic's location also names the chosen member of a union, which is no key
        if _has(config, (*key, part)) or (i == len(location) - 1 and found == "missing"):
            key = (*key, part)
    value, context = details["input"], details.get("ctx", {})
    if found == "unexpected_keyword_argument":
        return Problem(
            key, None, "unknown key", did_you_mean(str(key[-1]), _fields_at(schema, key[:-1], config))
        )
    if found == "missing":
        return Problem(key, None, "this key is missing", REMEDIES["missing"])
    if found == "union_tag_not_found":
        return Problem((*key, "kind"), None, "this key is missing", "Write kind: bioS or kind: bioD.")
    if found == "union_tag_invalid":
        return Problem((*key, "kind"), context["tag"], "unknown kind of dataset", "Write bioS or bioD.")
    if found == "literal_error":
        return Problem(key, value, "unknown name", f"Known: {context['expected']}.")
    reason = details["msg"][0].lower() + details["msg"][1:]
    return Problem(key, value, reason, REMEDIES.get(found, "Correct the value."))


def _fields_at(schema: Any, key: Key, config: Any) -> list[str]:
    """The names that may stand below a key."""
    if get_origin(schema) is Annotated:
        return _fields_at(get_args(schema)[0], key, config)
    if isinstance(schema, UnionType) or get_origin(schema) is Union:
        kind = config.get("kind") if isinstance(config, dict) else None
        members = [
            m for m in get_args(schema) if is_dataclass(m) and kind in (None, getattr(m, "kind", None))
        ]
        return [name for member in members[:1] for name in _fields_at(member, key, config)]
    if is_dataclass(schema):
        hints = get_type_hints(schema, include_extras=True)
        names = [f.name for f in fields(schema)]
        if not key:
            return names
        return _fields_at(hints[str(key[0])], key[1:], config[key[0]]) if key[0] in names else []
    if key and get_args(schema):  # dict[str, X] or list[X]
        return _fields_at(get_args(schema)[-1], key[1:], config[key[0]])
    return []


def _numbers(value: Any) -> Any:
    """The same configuration with numbers like 1e-3 read as numbers."""
    if isinstance(value, dict):
        return {key: _numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    if isinstance(value, str) and SCIENTIFIC.fullmatch(value):
        return float(value)
    return value


def _has(config: Any, key: Key) -> bool:
    for part in key:
        if (isinstance(config, list) and isinstance(part, int) and part < len(config)) or (
            isinstance(config, dict) and part in config
        ):
            config = config[part]
        else:
            return False
    return True


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


class _Loader(yaml.SafeLoader):
    """A loader that refuses a key given twice."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node)
        if isinstance(key, list | dict):
            raise ConfigError(
                f"{loader.name}: line {key_node.start_mark.line + 1}: a key must be a plain name."
            )
        if key in seen:
            line = key_node.start_mark.line + 1
            raise ConfigError(
                f"{loader.name}: {key}: this key stands twice (again on line {line}). Remove one."
            )
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def _read(path: Path) -> Any:
    try:
        with open(path) as file:
            return yaml.load(file, Loader=_Loader)  # noqa: S506 (a SafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: not readable as YAML ({' '.join(str(error).split())}).") from error
