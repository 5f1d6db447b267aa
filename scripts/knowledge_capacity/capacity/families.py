"""The capacities of a study: a fit for each kind of data, family of models, exposures and variant."""

import re
from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from ..files import UserError
from .compare import aligned, decimals
from .saturation import Fit, Observation, fit
from .seeds import standard_error

SIZE = re.compile(r"-\d+-\d+(-d\d+)?(-mlp\d+)?(?=-|$)")  # of an architecture's name: layers, heads, widths
GROUP = ["kind", "design", "exposures", "variant"]


def usable(rows: pd.DataFrame) -> pd.DataFrame:
    """Runs with a result at the best of their learning rates, with `design`: what a run is but for its size.

    That is the family, with what else was changed of model or recipe. Answers to questions are left out.
    """
    kept = rows.diverged.isna() & rows.accuracy_by_attribute.isna()
    return named(rows[kept & rows.lr_best.fillna(True).astype(bool)])


def named(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with `design`, if they have none yet."""
    if "design" in rows:
        return rows
    return rows.assign(design=[_design(row) for _, row in rows.iterrows()])


def observations(rows: pd.DataFrame) -> list[Observation]:
    """What the runs show; sizes are those of models and datasets alike."""
    return [
        Observation(
            size=f"{row.dataset}/{row.architecture}",
            seed=row.seed,
            n_parameters=row.n_parameters,
            bits=row.bits_learned,
            bits_max=row.bits_max,
            error=standard_error(row.bits_learned_low, row.bits_learned_high),
        )
        for row in rows.itertuples()
    ]


def fits(rows: pd.DataFrame) -> dict[tuple[Any, ...], Fit | str]:
    """By kind, design, exposures and variant, the fit or why there is none. rows: of `usable`."""
    found: dict[tuple[Any, ...], Fit | str] = {}
    for key, group in rows.groupby(GROUP, sort=True):
        try:
            found[key] = fit(observations(group))
        except UserError as error:
            found[key] = str(error)
    return found


def table(found: Mapping[tuple[Any, ...], Fit | str]) -> str:
    """A line for each fit, and below it what speaks against it."""
    head = ["data, model, exposures, variant", "bits per parameter", "95 % interval", "k", "spread", "runs"]
    cells, remarks = [[*head, "data-limited", "remarks"]], dict[str, int]()
    for key, one in found.items():
        said = [one] if isinstance(one, str) else one.warnings
        marks = ", ".join(str(remarks.setdefault(text, len(remarks) + 1)) for text in said)
        name = ", ".join(map(str, key))
        if isinstance(one, str):
            cells.append([name, "none", "", "", "", "", "", marks])
            continue
        counts = [str(one.runs + one.nothing), str(one.limited)]
        low, high = decimals(one.capacity.low), decimals(one.capacity.high)
        if one.bound == "low":
            cells.append([name, f"at least {low}", "", "", "", *counts, marks])
        else:
            shape = [f"{one.sharpness:.1f}", f"{100 * one.spread:.0f} %"]
            cells.append([name, decimals(one.capacity.mean), f"{low} to {high}", *shape, *counts, marks])
    notes = [f"{number}. {text}" for text, number in remarks.items()]
    return "\n".join([aligned(cells), *([""] if notes else []), *notes])


def _design(row: Mapping[Hashable, Any]) -> str:
    """The name of an architecture without its size, and whatever the recipe has besides exposures."""
    layers = row["layers"]
    name = row["family"] if pd.isna(layers) else SIZE.sub("", row["architecture"], count=1)
    parts = [name] if row["optimizer"] == "adamw" else [name, row["optimizer"]]
    if row["junk_share"]:
        parts += [f"junk {row['junk_people']} {row['junk_share']:g}", row["junk_windows"]]
        parts += [] if row["domain_token"] == "none" else [f"token {row['domain_token']}"]
    recipe = row["recipe"]
    parts += ["steps"] if "-steps" in recipe else []
    parts += [recipe[recipe.index("-qat-") + 1 :].split("-junk")[0]] if "-qat-" in recipe else []
    return " ".join(parts)
