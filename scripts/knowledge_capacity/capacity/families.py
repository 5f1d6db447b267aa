"""The capacities of a study: a fit for each kind of facts, family of models, exposures and variant."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

import pandas as pd

from ..files import UserError
from . import conditions, measurement, selection
from .columns import add_columns
from .compare import NOT, aligned, decimals
from .saturation import Fit, Observation, fit
from .seeds import standard_error

GROUP = ["data", "design", "exposures", "variant"]


def chosen(
    path: Path,
    where: conditions.Conditions,
    experiment: str,
    defaults: conditions.Conditions,
    others: bool = True,
) -> pd.DataFrame:
    """The usable rows in a file that tell of a capacity, and that meet --where and the defaults.

    Training with junk or at few bits is left out unless it is asked for. As in figures and scorecard, a capacity is
    that of the runs that an experiment asks for, of which others may have another recipe; where it asks for none, that
    of all runs. others: whether to take all runs for each capacity that the experiment has none of, or only where it
    has none at all.
    """
    met = conditions.plain(conditions.measurements(path, where, defaults), where)
    rows = conditions.some(usable(met))
    if conditions.EXPERIMENT in where:
        return rows
    table = selection.of_experiment(measurement.read(path), experiment)
    own = usable(table.filter(selection.asks(table, experiment)).to_pandas())
    own = own[_among(own, met, ["run", "variant"])]
    if len(own) and not others:
        return own
    return pd.concat([own, rows[~_among(rows, own, GROUP)]], ignore_index=True)


def usable(rows: pd.DataFrame) -> pd.DataFrame:
    """Runs with a result at the best of their learning rates, with the columns of `add_columns`.

    Answers to questions are left out.
    """
    kept = rows.diverged.isna() & rows.accuracy_by_attribute.isna()
    return add_columns(rows[kept & rows.lr_best.fillna(True).astype(bool)])


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
    """By data, design, exposures and variant, the fit or why there is none. rows: of `usable`."""
    found: dict[tuple[Any, ...], Fit | str] = {}
    for key, group in rows.groupby(GROUP, sort=True):
        try:
            found[key] = fit(observations(group))
        except UserError as error:
            found[key] = str(error)
    return found


def foremost(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of one kind of data: of those that tell a capacity, if any do, that of the largest model."""
    by_data = [group for _, group in rows.groupby("data", sort=True)]
    telling = [group for group in by_data if any(map(determined, fits(group).values()))]
    return max(telling or by_data, key=lambda group: float(group.n_parameters.max()))


def determined(one: Fit | str) -> TypeGuard[Fit]:
    """Whether there is a capacity, and an interval narrow enough to be of use."""
    return isinstance(one, Fit) and one.determined


def table(found: Mapping[tuple[Any, ...], Fit | str]) -> str:
    """A line for each fit, and below it what speaks against it."""
    head = ["data, model, exposures, variant", "bits per parameter", "95 % interval", "k", "spread", "runs"]
    cells, remarks = [[*head, "data-limited", "remarks"]], dict[str, int]()
    for key, one in found.items():
        said = [one] if isinstance(one, str) else one.warnings
        marks = ", ".join(str(remarks.setdefault(text, len(remarks) + 1)) for text in said)
        name = ", ".join(map(str, key))
        if isinstance(one, str):
            cells.append([name, NOT, "", "", "", "", "", marks])
            continue
        counts = [str(one.runs + one.nothing), str(one.limited)]
        low, high = decimals(one.capacity.low), decimals(one.capacity.high)
        if one.bound == "low":
            cells.append(
                [name, f"at least {low}" if one.capacity.low > 0 else NOT, "", "", "", *counts, marks]
            )
        elif not one.determined:
            cells.append([name, NOT, "", "", "", *counts, marks])
        else:
            shape = [f"{one.sharpness:z.1f}", f"{100 * one.spread:z.0f} %"] if one.shaped else ["", ""]
            cells.append([name, decimals(one.capacity.mean), f"{low} to {high}", *shape, *counts, marks])
    notes = [f"{number}. {text}" for text, number in remarks.items()]
    return "\n".join([aligned(cells), *([""] if notes else []), *notes])


def _among(rows: pd.DataFrame, others: pd.DataFrame, columns: list[str]) -> pd.Series:
    """Which rows have the values of some other row in these columns."""
    known = set(others[columns].itertuples(index=False, name=None))
    found = [values in known for values in rows[columns].itertuples(index=False, name=None)]
    return pd.Series(found, index=rows.index, dtype=bool)
