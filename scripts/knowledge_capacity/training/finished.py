"""Finished runs: what they were made from, and where they wait until their job has ended well.

A job trains all runs of a cell, and Snakemake takes away what a failed job has made. So a run's files are written to
a folder beside its outputs, and come to their places when all runs are done. After a failure the next job finds them.
"""

import json
import shutil
from pathlib import Path
from typing import Any

from .. import kept, layout
from ..files import add_checksum, atomic_write, digest_files, verify_checksum, write_json
from ..kept import MadeFrom
from ..specs import Checkpoint, Run, to_json


def run_provenance(run: Run, code: str, results: Path) -> MadeFrom:
    """What run.json says a run was made from: its spec, code, and digests of the files that training reads.

    results: the folder of results. Raises UserError where such a file is missing.
    """
    inputs = kept.data_digests(run, results)
    if isinstance(run.architecture, Checkpoint):
        folder = Path(run.architecture.folder)
        inputs["checkpoint"] = digest_files(folder / "config.json", *sorted(folder.glob("*.safetensors*")))
    return {"run": json.loads(to_json(run)), "code": code, "inputs": inputs}


def is_done(folder: Path, wanted: MadeFrom) -> bool:
    """Whether a run needs no training: it is in its place, or waits to be put there."""
    return is_current(folder, wanted) or is_current(folder / layout.FINISHED, wanted)


def is_current(folder: Path, wanted: MadeFrom) -> bool:
    """Whether a folder holds all files of a run, each whole, that was made from what is wanted, of `run_provenance`."""
    try:
        record = verify_checksum(json.loads((folder / "run.json").read_text()))
    except (OSError, ValueError, AttributeError):
        return False
    if any(record.get(key) != value for key, value in wanted.items()):
        return False
    outputs = record.get("outputs", {})
    return all(
        (folder / name).is_file() and digest_files(folder / name) == outputs.get(name)
        for name in _list_names(wanted)
        if name != "run.json"
    )


def write_record(folder: Path, record: dict[str, Any]) -> None:
    """Write run.json, once all other files of a run are there: with their digests, by which a job knows them."""
    others = [name for name in _list_names(record) if name != "run.json"]
    outputs = {name: digest_files(folder / name) for name in others}
    write_json(folder / "run.json", add_checksum({**record, "outputs": outputs}))


def place_outputs(folder: Path, wanted: MadeFrom) -> None:
    """Put the outputs of a run to their places; those that are there become as new as what they were made from."""
    waiting = folder / layout.FINISHED
    if is_current(folder, wanted):
        kept.touch_files(folder / name for name in _list_names(wanted))
    else:
        for name in _list_names(wanted):
            with atomic_write(
                folder / name
            ) as aside:  # copied, so that it is still there if this is cut short
                shutil.copyfile(waiting / name, aside)
    shutil.rmtree(waiting, ignore_errors=True)


def _list_names(made_from: MadeFrom) -> list[str]:
    """What training leaves of a run, which its recipe says; run.json comes last."""
    return layout.trained_names(made_from["run"]["recipe"].get("snapshots", False))
