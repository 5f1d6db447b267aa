"""Reading a configuration: one clear line for everything that is wrong with it.

A line names the file, the key and the value, says what is wrong with it, and what would be right.
"""

import copy
import difflib
import json
import math
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import yaml
from pydantic import TypeAdapter, ValidationError

Key = tuple[str | int, ...]

# YAML 1.1 takes 1e-3 for a word, since its numbers need a point; people mean the number
SCIENTIFIC = re.compile(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+")
PLAIN_KEY = re.compile(r"\w[\w.-]*", re.ASCII)
COMMAND_LINE = "--config"
ABSENT = object()

MAPPING = "keys with values"
WANTED = {bool: "true or false", int: "a whole number", float: "a number", str: "a name", list: "a list"}
FOUND = {
    NoneType: "empty",
    bool: "true or false",
    int: "a whole number",
    float: "a decimal number",
    str: "text",
    list: "a list",
    dict: MAPPING,
}
LIMITS = {
    "gt": ("too small", "more than"),
    "ge": ("too small", "at least"),
    "lt": ("too large", "less than"),
    "le": ("too large", "at most"),
}
# what PyYAML says that it was reading, what opens it, and what else may be wrong in it
OPENED = {
    "parsing a flow mapping": ("the {", ", and that commas stand between its entries"),
    "parsing a flow sequence": ("the [", ", and that commas stand between its entries"),
    "scanning a quoted scalar": ("the quote", ""),
}


class ConfigError(Exception):
    """Everything that is wrong with a configuration, a line each."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong: at which key, why, and what to do about it; others are keys that share the blame."""

    key: Key
    reason: str
    remedy: str
    others: tuple[Key, ...] = ()


class Sources:
    """A merged configuration and the files it was merged from, to tell which one holds a key.

    The last file is the strongest, and one named by an absolute path, as Snakemake names those given with
    --configfile, is stronger than any other. What no file holds was given with --config.
    Raises ConfigError for files that are no configuration, and for keys that stand twice or are not text.
    """

    def __init__(self, config: Any, files: Iterable[str | Path]) -> None:
        self.config = _plain_value(config)
        self.places: list[str] = []
        self.trees: list[Any] = []
        problems: list[str] = []
        for path in sorted(map(Path, files), key=Path.is_absolute):
            place = str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
            try:
                self.trees.append(_read_yaml(path))
            except ConfigError as error:
                problems += [f"{place}: {line}" for line in str(error).splitlines()]
            self.places.append(place)
        self.places.append(COMMAND_LINE)
        if problems:
            raise ConfigError("\n".join(dict.fromkeys(problems)))

    @classmethod
    def of_file(cls, path: Path) -> "Sources":
        """A configuration that stands in one file alone."""
        sources = cls({}, [path])
        sources.config = sources.trees[0]
        return sources

    def default(self, section: str, key: str, value: str) -> None:
        """Give every entry of a section that says nothing of it this value at `key`."""
        entries = self.config.get(section) if isinstance(self.config, dict) else None
        for entry in entries.values() if isinstance(entries, dict) else ():
            if isinstance(entry, dict):
                entry.setdefault(key, value)

    def holding(self, key: Key) -> str:
        """The strongest source that sets the key or, where none does, the nearest key above it."""
        return self.places[self._rank(key)]

    def inherited(self, section: str) -> Iterator[str]:
        """A line for each entry of a section that leaves fields to an older file's entry of the same name."""
        entries = _value_at(self.config, (section,))
        for name, entry in entries.items() if isinstance(entries, dict) else ():
            key = (section, name)
            ranks = [rank for rank, tree in enumerate(self.trees) if isinstance(_value_at(tree, key), dict)]
            if not ranks or not isinstance(entry, dict):
                continue
            older: dict[str, list[str]] = {}
            for left in _omitted_keys(entry, _value_at(self.trees[ranks[-1]], key)):
                if held := [
                    rank for rank in ranks if _value_at(self.trees[rank], (*key, *left)) is not ABSENT
                ]:
                    older.setdefault(self.places[held[-1]], []).append(format_key(left))
            for place, names in older.items():
                yield (
                    f"{self.places[ranks[-1]]}: {format_key(key)} leaves {', '.join(names)} as in {place}, "
                    "which has this name too"
                )

    def line(self, problem: Problem) -> str:
        """The problem as one line, at the key that the strongest source sets."""
        others = [key for key in problem.others if _value_at(self.config, key) is not ABSENT]
        key = max([problem.key, *others], key=self._rank)
        value = _value_at(self.config, key)
        shown = "" if value is ABSENT or isinstance(value, dict) else f" = {_format_value(value)}"
        return f"{self.holding(key)}: {format_key(key)}{shown}: {problem.reason}. {problem.remedy}"

    def _rank(self, key: Key) -> int:
        while _value_at(self.config, key) is ABSENT:
            key = key[:-1]
        # an entry comes with its list, since lists replace each other
        key = key[: next((i for i, part in enumerate(key) if isinstance(part, int)), None)]
        if not key:
            return 0
        value = _value_at(self.config, key)
        for rank, tree in reversed(list(enumerate(self.trees))):
            held = _value_at(tree, key)
            # equal as text: true is not 1, and nan is nan
            if repr(held) == repr(value) or (isinstance(held, dict) and isinstance(value, dict)):
                return rank
        return len(self.trees)


def parse_config(schema: Any, sources: Sources) -> tuple[Any, list[Problem]]:
    """The configuration as an instance of `schema` (a dataclass), or None and what is wrong with it."""
    config = copy.deepcopy(sources.config)
    parsed, errors = _validate_schema(schema, config)
    for details in errors:
        text, (key, _, _) = details["input"], _trace_location(schema, details["loc"])
        if not key or not isinstance(text, str):
            continue
        # Snakemake leaves what it reads from --config as text
        if SCIENTIFIC.fullmatch(text) or sources.holding(key) == COMMAND_LINE:
            with suppress(ValueError):
                _value_at(config, key[:-1])[key[-1]] = json.loads(text)
    if config != sources.config:
        parsed, errors = _validate_schema(schema, config)
    # of a choice, pydantic finds fault with each member
    return parsed, list(dict.fromkeys(_translate_error(details, schema) for details in errors))


def check_readable(files: Iterable[str | Path]) -> None:
    """Raises ConfigError, with a line for each thing wrong, where Snakemake could not read one of these files."""
    Sources({}, files)


def suggest_name(name: Any, known: Iterable[str]) -> str:
    """A remedy for an unknown name: the nearest known one, or all of them."""
    known = sorted(known)
    near = difflib.get_close_matches(str(name), known, n=1)
    if near:
        return f"Did you mean {near[0]!r}?"
    return f"Known: {', '.join(format_key((name,)) for name in known) or 'none'}."


def format_key(key: Key) -> str:
    """("a", "b", 0) → a.b[0]."""
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if PLAIN_KEY.fullmatch(part) else f".{part!r}"
    return text.removeprefix(".") or "the configuration"


def _validate_schema(schema: Any, config: Any) -> tuple[Any, list[Any]]:
    try:
        return TypeAdapter(schema).validate_json(json.dumps(config)), []
    except ValidationError as error:
        return None, list(error.errors())


def _translate_error(details: Any, schema: Any) -> Problem:
    """What pydantic found, in our words."""
    found, value, context = details["type"], details["input"], details.get("ctx", {})
    key, holder, schema = _trace_location(schema, details["loc"])
    if _is_choice(schema):
        return Problem(key, "this is none of what it may be", f"Write {_describe_choice(schema)}.")
    if found == "unexpected_keyword_argument":
        return Problem(key, "unknown key", suggest_name(key[-1], [f.name for f in fields(holder)]))
    if found == "missing":
        return Problem(key, "this key is missing", f"Add it: {_describe_type(schema)}.")
    if found.startswith("union_tag"):
        kinds = [member.kind for member in get_args(schema)]
        if found == "union_tag_invalid":
            return Problem((*key, "kind"), "unknown kind", suggest_name(context["tag"], kinds))
        remedy = f"Add it: one of {', '.join(sorted(kinds))}."
        return Problem((*key, "kind"), "this key is missing", remedy)
    if found == "literal_error":
        return Problem(key, "unknown name", suggest_name(value, get_args(schema)))
    if found == "string_too_short":
        return Problem(key, "this is empty", "Write a name.")
    if found == "too_short":
        return Problem(key, "this list is empty", "Put at least one entry in it.")
    for name, (size, remedy) in LIMITS.items():
        if name in context:
            limit = context[name]
            if math.isinf(limit) or value != value:
                return Problem(key, "this is not a finite number", "Write a finite number.")
            return Problem(key, f"this is {size}", f"Write {remedy} {limit:.12g}.")
    reason = f"this is {FOUND[type(value)]}, not {_describe_type(schema)}"
    return Problem(key, reason, _type_remedy(value, schema))


def _type_remedy(value: Any, schema: Any) -> str:
    """The remedy for a value of the wrong type."""
    wanted = _describe_type(schema)
    if wanted == MAPPING:
        return "Write lines of `key: value` below it."
    if wanted == WANTED[str] and isinstance(value, int | float):
        return "Put it in quotes if it is a name."
    if wanted == WANTED[list] and isinstance(value, str | int | float):
        (inner,) = get_args(schema)
        with suppress(ValueError):
            number = {WANTED[int]: int, WANTED[float]: float}.get(_describe_type(_strip_annotations(inner)))
            entry = number(value) if number and isinstance(value, str) else value
            return f"Put it in brackets: [{_format_value(entry)}]."
    if wanted == WANTED[int] and isinstance(value, float) and value.is_integer():
        return f"Write {int(value)}."
    with suppress(TypeError, ValueError):
        if wanted in (WANTED[int], WANTED[float]) and isinstance(value, str) and math.isfinite(float(value)):
            return "Remove the quotes."
    return f"Write {wanted}."


def _describe_type(schema: Any) -> str:
    return WANTED.get(get_origin(schema) or schema, MAPPING)


def _is_choice(schema: Any) -> bool:
    """Whether one of several types of plain values may stand there."""
    return get_origin(schema) in (Union, UnionType) and not any(map(is_dataclass, get_args(schema)))


def _describe_choice(schema: Any) -> str:
    """What may stand there: names, and numbers with their limits."""
    names: list[str] = []
    numbers: list[str] = []
    for member in get_args(schema):
        if get_origin(member) is Literal:
            names += map(str, get_args(member))
            continue
        limits = [
            f" {remedy} {limit:g}"
            for one in getattr(member, "__metadata__", ())
            for name, (_, remedy) in LIMITS.items()
            if math.isfinite(limit := getattr(one, name, math.inf))
        ]
        numbers.append(_describe_type(_strip_annotations(member)) + " and".join(limits))
    return " or ".join([*names, *numbers])


def _trace_location(schema: Any, location: tuple[str | int, ...]) -> tuple[Key, Any, Any]:
    """The key for a location of pydantic's, and the schemas above it and at it (None for an unknown key)."""
    key: Key = ()
    holder, schema = None, _strip_annotations(schema)
    for part in location:
        if _is_choice(schema):  # what follows are its members, which are no keys
            break
        members = [m for m in get_args(schema) if is_dataclass(m) and getattr(m, "kind", None) == part]
        if members:  # the chosen member of a union, which is no key
            schema = members[0]
            continue
        key, holder = (*key, part), schema
        below = get_type_hints(schema, include_extras=True) if is_dataclass(schema) else {}
        schema = _strip_annotations(below.get(str(part)) if is_dataclass(schema) else get_args(schema)[-1])
    return key, holder, schema


def _strip_annotations(schema: Any) -> Any:
    """The schema without its limits, and without the null that may stand for it."""
    while get_origin(schema) is Annotated or NoneType in get_args(schema):
        schema = get_args(schema)[0]
    return schema


def _plain_value(value: Any) -> Any:
    """The value as JSON can hold it: keys, and whatever else YAML knows (dates, sets), as text."""
    if isinstance(value, dict):
        return {_plain_value(str(key)): _plain_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain_value(item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(value).encode(errors="backslashreplace").decode()


def _value_at(config: Any, key: Key) -> Any:
    """The value at a key, or ABSENT."""
    for part in key:
        if isinstance(config, dict):
            config = config.get(part, ABSENT)
        elif isinstance(config, list) and isinstance(part, int) and part < len(config):
            config = config[part]
        else:
            return ABSENT
    return config


def _omitted_keys(merged: dict[str, Any], given: dict[str, Any]) -> Iterator[Key]:
    """The keys of a merged entry that one of those it was merged from does not give."""
    for name, value in merged.items():
        if name not in given:
            yield (name,)
        elif isinstance(value, dict) and isinstance(given[name], dict):
            yield from ((name, *below) for below in _omitted_keys(value, given[name]))


def _format_value(value: Any) -> str:
    text = json.dumps(value) if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _read_yaml(path: Path) -> Any:
    """The keys and values in a file. Raises ConfigError, with lines that do not name the file."""
    try:
        loader = yaml.SafeLoader(path.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        problems = list(_key_problems(node, ()))
        tree = None if node is None or problems else _plain_value(loader.construct_document(node))
    except OSError as error:
        problems = [f"this file cannot be read ({error.strerror}). Check its path."]
    except UnicodeDecodeError:
        problems = ["this file is not text. Write YAML, and save it as UTF-8."]
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark else ""
        reason = getattr(error, "problem", None) or " ".join(str(error).split())
        reason = "it nests too deeply" if isinstance(error, RecursionError) else reason
        problems = [f"{line}this is not YAML ({reason}). {_yaml_remedy(error)}"]
    else:
        if not problems and not isinstance(tree, dict):
            problems = [f"this file is {FOUND[type(tree)]}, not {MAPPING}. Write lines of `key: value`."]
    if problems:
        raise ConfigError("\n".join(problems))
    return tree


def _yaml_remedy(error: Exception) -> str:
    """The remedy for what is not YAML; what is not closed is often found many lines below its beginning."""
    if "'\\t'" in str(error):
        return "Put spaces where there is a tab."
    start = getattr(error, "context_mark", None)
    for context, (opened, more) in OPENED.items():
        if start and getattr(error, "context", None) == f"while {context}":
            return f"Check that {opened} of line {start.line + 1} is closed{more}."
    return "Check colons, quotes, brackets and indents there."


def _key_problems(node: Any, key: Key) -> Iterator[str]:
    """Keys that YAML lets pass: those that stand twice, and those that it does not read as text."""
    if isinstance(node, yaml.SequenceNode):
        for i, item in enumerate(node.value):
            yield from _key_problems(item, (*key, i))
    elif isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for name, value in node.value:
            line = name.start_mark.line + 1
            if not isinstance(name, yaml.ScalarNode):
                yield f"{format_key(key)}: line {line}: a key is not text. Write `key: value`."
                continue
            below = (*key, name.value)
            if name.value in lines:
                first = lines[name.value]
                yield f"{format_key(below)}: this key stands twice (lines {first} and {line}). Remove one."
            elif not name.tag.endswith((":str", ":merge")):
                yield f"{format_key(below)}: YAML does not read this key as text (line {line}). Put it in quotes."
            lines[name.value] = line
            yield from _key_problems(value, below)
