"""What all specs are made of: plain values, their limits, and the words of their names."""

import hashlib
import json
import math
import re
from dataclasses import fields, is_dataclass
from typing import Annotated, Any

from annotated_types import Ge, Gt, Lt

WORD_LEVEL = "word"  # the tokenizer with one token for each word
BYTE_PAIR = re.compile(r"bpe-([1-9][0-9]*)")  # one trained on the dataset, with so many tokens
FULL_PRECISION = "fp32"  # the variant that is a run's weights as trained
FULL_BITS = 32  # of such a weight
STRICT = {"extra": "forbid", "strict": True}  # no unknown keys, no numbers out of words

Count = Annotated[int, Ge(1)]
Positive = Annotated[float, Gt(0), Lt(math.inf)]


LATER = {"later": True}  # of a field that files lack which were written before there was one


def list_values(spec: Any) -> dict[str, Any]:
    """The fields of a spec, and of specs in it, as plain values, without LATER ones at their defaults.

    So the JSON of a spec stays what it was when fields were added.
    """
    found = {}
    for one in fields(spec):
        value = getattr(spec, one.name)
        if not (one.metadata.get("later") and value == one.default):
            found[one.name] = list_values(value) if is_dataclass(value) else value
    return found


def to_json(spec: Any) -> str:
    """The spec as one line of JSON, keys sorted, so that equal specs give equal text."""
    return json.dumps(list_values(spec), sort_keys=True)


def format_thousands(count: int) -> str:
    """10000 → 10K, 1000000 → 1M; other counts stay as they are."""
    for size, letter in ((1_000_000, "M"), (1_000, "K")):
        if count % size == 0:
            return f"{count // size}{letter}"
    return str(count)


def format_nondefaults(spec: Any, **names: str) -> str:
    """The given fields that differ from their defaults, as "-name value" without the space."""
    values = {f.name: getattr(spec, f.name) for f in fields(spec) if getattr(spec, f.name) != f.default}
    return "".join(
        f"-{name}{format_number(values[field])}" for field, name in names.items() if field in values
    )


def format_number(number: float | str) -> str:
    """All digits of a number and no more: 192, 0.02, 0; a word as it is; of what is true, nothing."""
    if isinstance(number, str):
        return number
    if number is True:
        return ""
    return str(int(number)) if number == int(number) else repr(number)


def last_name_part(name: str) -> str:
    """Letters and digits of the end of a folder's name or hub id."""
    return re.sub(r"[^A-Za-z0-9]", "", re.split(r"[/\\]", name.rstrip("/"))[-1])


def short_digest(text: str) -> str:
    """Six hex digits of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:6]
