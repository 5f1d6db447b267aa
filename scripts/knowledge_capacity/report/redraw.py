"""Drawing the figures that are out of date: those whose code, measurements or files are not what they were."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from ..files import UserError, write_json
from . import writing

RECORD = "drawn.json"  # what each figure in a folder was drawn from


def draw_outdated_figures(
    codes: Mapping[str, str], measurements: pa.Table, folder: Path, say: Callable[[str], None]
) -> list[str]:
    """Draw the figures of experiments where they are out of date, and tell which were.

    codes: by experiment, a fingerprint of the code that draws it. Where measurements hold nothing for an experiment,
    its figure says so. Raises UserError, with the name of the figure, where its module fails.
    """
    record, drawn = _read_record(folder / RECORD), []
    for experiment, code in codes.items():
        made_from = {
            "code": code,
            "measurements": _table_digest(writing.select_experiment_measurements(experiment, measurements)),
        }
        if record.get(experiment) == {**made_from, "files": _file_digests(experiment, folder)}:
            continue
        try:
            writing.write_figure(experiment, measurements, folder / experiment)
        except UserError as error:
            say(f"figures: {error}")
            writing.write_text_figure(experiment, str(error), folder / experiment)
        except Exception as error:
            raise UserError(f"{experiment}: {type(error).__name__}: {error}") from error
        record[experiment] = {**made_from, "files": _file_digests(experiment, folder)}
        write_json(folder / RECORD, record)
        drawn.append(experiment)
    return drawn


def _read_record(path: Path) -> dict[str, Any]:
    """The record in a folder; of one that is damaged or not there, nothing, so that all is drawn."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _table_digest(table: pa.Table) -> str:
    """A checksum of all values in a table."""
    stream = pa.BufferOutputStream()
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    return hashlib.sha256(stream.getvalue()).hexdigest()


def _file_digests(experiment: str, folder: Path) -> dict[str, str]:
    """By ending, a checksum of each file of a figure that is there."""
    paths = [folder / f"{experiment}.{ending}" for ending in writing.ENDINGS]
    return {path.suffix: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths if path.is_file()}
