"""Measurements as the explorer shows them: what is drawn as numbers, what is read as text.

A column that a file of measurements lacks is told as not known, so that older files can be looked at too.
"""

import math
from collections.abc import Sequence
from typing import Any

from ..console import duration

UNKNOWN = "–"
TITLES = {  # of what a pointer on a dot tells, in this order
    "dataset": "Dataset",
    "people": "People",
    "model": "Architecture",
    "recipe": "Recipe",
    "exposures": "Exposures",
    "stored": "Precision",
    "seed": "Seed",
    "parameters": "Parameters P",
    "learned": "Bits learned",
    "interval": "95 % interval",
    "most": "Bits max",
    "ratio": "R = bits / P",
    "ratio_most": "R_max",
    "limited": "Data-limited",
    "losses": "Loss",
    "training": "Training",
    "device": "Device",
    "code": "Code",
    "trained_at": "Trained at",
}
FILTERS = {  # by what measurements can be chosen, and whether the choices are numbers
    "dataset": ("Dataset", False),
    "family": ("Architecture", False),
    "exposures": ("Exposures", True),
    "variant": ("Precision", False),
}


def facts(row: dict[str, Any]) -> dict[str, Any]:
    """A measurement as texts, and as numbers where it is drawn.

    The texts are those of TITLES, of FILTERS, and run and diverged (why there is no result; or nothing). Drawn
    are x (parameters), y (bits learned) and n (people), None where not known, and hollow (data-limited).
    """
    get = row.get
    limits = get("bits_learned_low"), get("bits_learned_high")
    codes = [code for code in (get("train_code"), get("capacity_code")) if code]
    bits, limited = get("bits_learned"), get("data_limited")
    took = UNKNOWN if get("train_seconds") is None else duration(row["train_seconds"])
    return {
        "run": _text(get("run")),
        "dataset": _text(get("dataset")),
        "people": _number(get("n_people"), 0),
        "model": f"{_text(get('architecture'))} ({_text(get('family'))})",
        "family": _text(get("family")),
        "recipe": _text(get("recipe")),
        "exposures": _number(get("exposures"), 0),
        "variant": _text(get("variant")),
        "stored": f"{_text(get('variant'))}, trained in {_text(get('precision'))}",
        "seed": _text(get("seed")),
        "parameters": _number(get("n_parameters"), 0),
        "learned": _number(bits, 1),
        "interval": UNKNOWN if None in limits else " to ".join(_number(limit, 1) for limit in limits),
        "most": _number(get("bits_max"), 1),
        "ratio": _number(get("capacity_ratio"), 3),
        "ratio_most": _number(get("capacity_ratio_max"), 3),
        "limited": UNKNOWN if limited is None else ("yes" if limited else "no"),
        "losses": f"loss_name {_number(get('loss_name'), 4)}, loss_value {_number(get('loss_value'), 4)}",
        "training": f"{_number(get('train_tokens'), 0)} tokens in {took}",
        "device": _text(get("device")),
        "code": ", ".join(codes) or UNKNOWN,
        "trained_at": _text(get("trained_at")),
        "diverged": get("diverged") or "",
        "x": get("n_parameters"),
        "y": bits if bits is not None and math.isfinite(bits) else None,
        "n": get("n_people"),
        "hollow": bool(limited),
    }


def choices(rows: Sequence[dict[str, Any]], key: str) -> list[str]:
    """The different values of a filter, in the order of numbers or of the alphabet. rows: of `facts`."""
    found = {row[key] for row in rows}
    if FILTERS[key][1]:
        return sorted(found, key=lambda text: (len(text), text))  # with their commas, longer is larger
    return sorted(found)


def packed(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Rows with equal keys, by column: its different values, and for each row which of them it has.

    Names of datasets and recipes are long and few, so this is a third of the text that the rows are.
    """
    columns = {}
    for key in rows[0] if rows else ():
        values = list(dict.fromkeys(row[key] for row in rows))
        places = {value: place for place, value in enumerate(values)}
        columns[key] = {"values": values, "rows": [places[row[key]] for row in rows]}
    return columns


def _text(value: Any) -> str:
    return UNKNOWN if value is None else str(value)


def _number(value: float | None, digits: int) -> str:
    return UNKNOWN if value is None else f"{value:,.{digits}f}"
