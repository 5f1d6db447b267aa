"""What blocks of pages are rendered from: the published results, and which models of them a table shows."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from ..files import UserError
from ..layout import MEASUREMENTS
from ..measurements import measurement_table
from . import writing

SCALE = 10_000  # people of the smallest dataset at the paper's scale
WIDTH = 118  # characters of a generated sentence's line


class WrongArguments(Exception):
    """The arguments of a block cannot be used; the message goes on from the block's first line."""


@dataclass(frozen=True)
class Selection:
    """Which models a table shows: a query of measurements, and the experiments whose rows it is put to, or all."""

    query: str
    experiments: tuple[str, ...] = ()


AT_SCALE = f"n_people >= {SCALE} and variant == 'fp32'"
SMALL = "n_people == 300 and variant == 'fp32'"
SELECTIONS = {
    "law": Selection(f"{AT_SCALE} and kind == 'bioS' and exposures == 1000"),
    "law_small": Selection(f"{SMALL} and exposures == 1000", ("base_law",)),
    "bridge": Selection(f"1000 < n_people < {SCALE} and variant == 'fp32'", ("base_law",)),
    "wording": Selection(f"{SMALL} and exposures == 1000", ("data_format",)),
    "strings": Selection(f"{AT_SCALE} and kind == 'bioD'"),
    "hundred": Selection(f"{AT_SCALE} and exposures == 100 and n_people == 50000 and family == 'gpt2'"),
    "architectures": Selection(f"{AT_SCALE} and exposures == 100 and batch_size < 12 and layers <= 2"),
    "junk": Selection(f"{AT_SCALE} and exposures == 100 and architecture == 'gpt2-2-1'"),
    "junk_small": Selection(SMALL, ("junk", "repetitive_junk", "domain_token")),
}


@dataclass(frozen=True)
class Results:
    """The published results that blocks are rendered from. default_runs: those of the study in config.yaml."""

    folder: Path
    default_runs: frozenset[str]

    @cached_property
    def claims(self) -> list[dict[str, Any]]:
        """The lines of the scorecard."""
        found: list[dict[str, Any]] = self.read_json("scorecard")
        return found

    @cached_property
    def table(self) -> pa.Table:
        """All measurements."""
        return measurement_table.read_measurements(self.folder / MEASUREMENTS)

    @cached_property
    def rows(self) -> pd.DataFrame:
        """All measurements of runs that did not diverge."""
        rows = self.table.to_pandas()
        return rows[rows.diverged.isna()]

    def read_json(self, name: str) -> Any:
        """The content of a JSON file beside the measurements."""
        return json.loads((self.folder / f"{name}.json").read_text(encoding="utf-8"))

    def select_models(self, names: Sequence[str]) -> pd.DataFrame:
        """The measurements of the one selection that is named, each once. Raises WrongArguments for other names."""
        if len(names) != 1 or names[0] not in SELECTIONS:
            raise WrongArguments(f" takes one of {', '.join(SELECTIONS)}.")
        selection = SELECTIONS[names[0]]
        parts = [writing.experiment_rows(name, self.table) for name in selection.experiments] or [self.rows]
        return pd.concat(parts).drop_duplicates(["run", "variant"]).query(selection.query)

    def find_claim(self, name: str) -> dict[str, Any]:
        """The scorecard's line of a claim. Raises UserError where it has none."""
        for claim in self.claims:
            if claim["claim"].rpartition(". ")[2] == name:
                return claim
        raise UserError(f'{self.folder}/scorecard.json: there is no claim "{name}". FINDINGS names it.')


def format_table(head: Sequence[str], lines: Sequence[Sequence[str]], left: int = 1) -> str:
    """A table in Markdown. left: how many columns, from the first, are texts; the others are numbers."""
    rules = ["---"] * left + ["---:"] * (len(head) - left)
    cells = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, rules, *cells))
