"""Measurements from elsewhere: read from files, folders and addresses, checked, and put into one table."""

import json
import math
import shutil
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from ..files import UserError
from ..layout import MEASUREMENTS
from . import measurement_table
from .locations import source_file

TIMEOUT = 60  # seconds without an answer
MOST_SHOWN = 5  # disagreements
FINGERPRINT = 12  # letters of `fingerprint.code_fingerprint`

# what two measurements of the same variant must agree in; cost, date and fingerprints may differ
RESULTS = [
    "n_parameters",
    "used_tokens",
    "people_scored",
    "diverged",
    "bits_per_weight",
    "loss_name",
    "loss_value",
    "loss_value1",
    "bits_name",
    "bits_value",
    "bits_sets",
    "bits_learned",
    "bits_max",
]


def read_source(source: str, results: Path) -> pa.Table:
    """The measurements of a source: published, a file, a folder with measurements.parquet, or an address.

    Raises UserError where there are none, or where they contradict themselves.
    """
    path = source_file(source, results)
    if path is None:
        return _download_measurements(source)
    if not path.exists():
        raise UserError(f"source {source}: there is no file {path}. Name a file or folder of measurements.")
    return _read_checked_file(path, source)


def merge_tables(tables: Mapping[str, pa.Table]) -> pa.Table:
    """All rows, by the names of their sources; of the same variant of a run, the first, for the experiments of all.

    Raises UserError where two sources measured it and found something else, and where they mean two models by one name.
    """
    found: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {}
    apart = []
    for name, table in tables.items():
        for row in table.to_pylist():
            key = row["run"], row["variant"]
            if key not in found:
                found[key] = name, row
                continue
            first, kept = found[key]
            if differing := [column for column in RESULTS if not _is_same_value(kept[column], row[column])]:
                column = "bits_learned" if "bits_learned" in differing else differing[0]
                apart.append(
                    f"{key[0]} {key[1]}: {column} is {kept[column]} in {first} and {row[column]} in {name}"
                )
            kept["experiments"] = _union_names(kept["experiments"], row["experiments"])
    if apart:
        more = f" (and {len(apart) - MOST_SHOWN} more)" if len(apart) > MOST_SHOWN else ""
        raise UserError(
            f"Sources disagree: {'; '.join(apart[:MOST_SHOWN])}{more}. Two machines may round differently; "
            "leave one source out."
        )
    _refuse_edited_functions(found.values())
    return pa.Table.from_pylist([row for _, row in found.values()], schema=measurement_table.SCHEMA)


def _refuse_edited_functions(found: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
    """Raise UserError where the function of a model was another one for some of its runs.

    Its name tells file and arguments alone; what the file held, the last part of `train_code` tells.
    """
    known: dict[str, tuple[str, str]] = {}
    for source, row in found:
        if json.loads(row["architecture_spec"]).get("kind") != "python":
            continue
        code = row["train_code"][-FINGERPRINT:]
        first, other = known.setdefault(row["architecture"], (source, code))
        if other != code:
            function = json.loads(row["architecture_spec"])["function"]
            raise UserError(
                f"Sources disagree: {function} had other code for the runs of {row['architecture']} in {first} than "
                f"for {row['run']} in {source}. Measure all of its runs again, or name the edited function anew."
            )


def _is_same_value(a: Any, b: Any) -> bool:
    return bool(
        a == b or (isinstance(a, float) and isinstance(b, float) and math.isclose(a, b, rel_tol=1e-9))
    )


def _union_names(a: Iterable[str] | None, b: Iterable[str] | None) -> list[str]:
    return list(dict.fromkeys([*(a or []), *(b or [])]))


def _download_measurements(address: str) -> pa.Table:
    """The measurements at an https address; of a folder's, those in it."""
    where = address if address.endswith(".parquet") else f"{address.rstrip('/')}/{MEASUREMENTS}"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / MEASUREMENTS
        try:
            with urllib.request.urlopen(where, timeout=TIMEOUT) as answer, open(file, "wb") as aside:  # noqa: S310 (https alone)
                shutil.copyfileobj(answer, aside)
        except (OSError, ValueError) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            raise UserError(
                f"source {address}: {where} cannot be had ({reason}). Correct the address."
            ) from error
        return _read_checked_file(file, address)


def _read_checked_file(path: Path, source: str) -> pa.Table:
    """A file's measurements. Raises UserError where numbers of a row contradict each other."""
    table = measurement_table.read_measurements(path, f"source {source}")
    for row in table.to_pylist():
        if reason := _find_contradiction(row):
            raise UserError(
                f"source {source}: {row['run']} {row['variant']}: {reason}. Ask whoever made it for a sound file."
            )
    return table


def _find_contradiction(row: Mapping[str, Any]) -> str | None:
    p, learned, most = row["n_parameters"], row["bits_learned"], row["bits_max"]
    if p <= 0 or not most > 0:
        return f"n_parameters = {p} and bits_max = {most}, which must be more than 0"
    if not row["run"].startswith(f"{row['dataset']}/{row['architecture']}/{row['recipe']}/"):
        return "its name is not that of its dataset, architecture and recipe"
    for column in ("dataset_spec", "architecture_spec", "recipe_spec"):
        try:
            json.loads(row[column])
        except ValueError:
            return f"{column} is not JSON"
    if (learned is None) != (row["diverged"] is not None):
        return "it must have bits_learned, or say in `diverged` why there are none"
    if learned is None:
        return None
    ratio = row["capacity_ratio"]
    if ratio is None or not math.isclose(ratio, learned / p, rel_tol=1e-6, abs_tol=1e-12):
        return f"capacity_ratio = {ratio} is not bits_learned / n_parameters = {learned / p}"
    low, high = row["bits_learned_low"], row["bits_learned_high"]
    if low is None or high is None or not low <= learned <= high:
        return f"bits_learned = {learned} lies outside of its interval, {low} to {high}"
    if learned > most * (1 + 1e-9) + 1e-6:
        return f"bits_learned = {learned} is more than there are to learn, bits_max = {most}"
    return None
