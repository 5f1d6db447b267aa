"""Measurements as the explorer shows them: what is drawn as numbers, what is read as text.

A column that a file of measurements lacks is told as not known, so that older files can be looked at too.
"""

import math
from collections.abc import Sequence
from typing import Any

from ..console import format_duration
from ..measurements.columns import per_stored_byte

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
    "per_byte": "Bits per stored byte",
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


def describe_measurement(row: dict[str, Any]) -> dict[str, Any]:
    """A measurement as texts, and as numbers where it is drawn.

    The texts are those of TITLES, of FILTERS, and run and diverged (why there is no result; or nothing). Drawn
    are x (parameters), y (bits learned) and n (people), None where not known, and hollow (data-limited).
    """
    get = row.get
    limits = get("bits_learned_low"), get("bits_learned_high")
    ratio, stored = get("capacity_ratio"), get("bits_per_weight")
    per_byte = None if ratio is None or stored is None else per_stored_byte(ratio, stored)
    codes = [code for code in (get("train_code"), get("capacity_code")) if code]
    bits, limited = get("bits_learned"), get("data_limited")
    took = UNKNOWN if get("train_seconds") is None else format_duration(row["train_seconds"])
    return {
        "run": _format_text(get("run")),
        "dataset": _format_text(get("dataset")),
        "people": _format_number(get("n_people"), 0),
        "model": f"{_format_text(get('architecture'))} ({_format_text(get('family'))})",
        "family": _format_text(get("family")),
        "recipe": _format_text(get("recipe")),
        "exposures": _format_number(get("exposures"), 0),
        "variant": _format_text(get("variant")),
        "stored": f"{_format_text(get('variant'))}, trained in {_format_text(get('precision'))}",
        "seed": _format_text(get("seed")),
        "parameters": _format_number(get("n_parameters"), 0),
        "learned": _format_number(bits, 1),
        "interval": UNKNOWN if None in limits else " to ".join(_format_number(limit, 1) for limit in limits),
        "most": _format_number(get("bits_max"), 1),
        "ratio": _format_number(get("capacity_ratio"), 3),
        "ratio_most": _format_number(get("capacity_ratio_max"), 3),
        "per_byte": _format_number(per_byte, 3),
        "limited": UNKNOWN if limited is None else ("yes" if limited else "no"),
        "losses": f"loss_name {_format_number(get('loss_name'), 4)}, loss_value {_format_number(get('loss_value'), 4)}",
        "training": f"{_format_number(get('train_tokens'), 0)} tokens in {took}",
        "device": _format_text(get("device")),
        "code": ", ".join(codes) or UNKNOWN,
        "trained_at": _format_text(get("trained_at")),
        "diverged": get("diverged") or "",
        "x": get("n_parameters"),
        "y": bits if bits is not None and math.isfinite(bits) else None,
        "n": get("n_people"),
        "hollow": bool(limited),
    }


def filter_choices(rows: Sequence[dict[str, Any]], key: str) -> list[str]:
    """The different values of a filter, in the order of numbers or of the alphabet. rows: of `describe_measurement`."""
    found = {row[key] for row in rows}
    if FILTERS[key][1]:
        return sorted(found, key=lambda text: (len(text), text))  # with their commas, longer is larger
    return sorted(found)


def pack_columns(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Rows with equal keys, by column: its different values, and for each row which of them it has.

    Names of datasets and recipes are long and few, so this is a third of the text that the rows are.
    """
    columns = {}
    for key in rows[0] if rows else ():
        values = list(dict.fromkeys(row[key] for row in rows))
        places = {value: place for place, value in enumerate(values)}
        columns[key] = {"values": values, "rows": [places[row[key]] for row in rows]}
    return columns


def _format_text(value: Any) -> str:
    return UNKNOWN if value is None else str(value)


def _format_number(value: float | None, digits: int) -> str:
    return UNKNOWN if value is None else f"{value:,.{digits}f}"
