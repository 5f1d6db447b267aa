"""Files that hold more of a run than a study asks for: another study, or slice, had more of it made.

They are as good as files of what is asked, and stay. Otherwise two slices that ask for one run in different variants
would each undo what the other has made, for ever.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import SafetensorError, safe_open

from .. import layout
from ..kept import KEY
from ..specs import Quantizer, Run
from .variants import HEADER


def methods_measured(run: Run, results: Path, wanted: Sequence[str]) -> list[str]:
    """The methods of the variants that a run's measurements are of, where these are all wanted and more; else those
    wanted. Further ones count if their variants are there: whether they are the same, provenance tells.
    """
    try:
        metadata = pq.read_schema(results / layout.measurements_file(run)).metadata or {}
        found = json.loads(metadata[KEY.encode()])["variants"]
    except (OSError, pa.ArrowInvalid, KeyError, ValueError, TypeError):
        return list(wanted)
    there = all((results / layout.variants_file(run, method)).is_file() for method in found)
    return sorted(found) if there and set(found) >= set(wanted) else list(wanted)


def quantizers_applied(file: Path, wanted: Sequence[Quantizer]) -> list[Quantizer]:
    """The quantizers of a file of variants, where these are all wanted and more; else those wanted."""
    try:
        with safe_open(file, framework="pt") as opened:
            given: list[dict[str, Any]] = json.loads(opened.metadata()[HEADER])[KEY]["quantizers"]
        found = [Quantizer(**one) for one in given]
    except (OSError, SafetensorError, KeyError, ValueError, TypeError):
        return list(wanted)
    return found if all(one in found for one in wanted) else list(wanted)
