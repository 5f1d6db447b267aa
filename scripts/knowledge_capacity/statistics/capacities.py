"""The capacities of a study: a fit for each kind of facts, family of models, exposures and variant."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeGuard

import pandas as pd

from ..files import UserError
from ..measurements import filters, learning_rates, measurement_table
from .capacity_fit import Fit, Observation, fit_capacity
from .compare import NOT, align_columns, format_decimals
from .intervals import standard_error
from .spread import add_spreads, log_spread_prior

GROUP = ["data", "design", "exposures", "variant"]


def select_capacity_rows(
    path: Path,
    where: filters.Conditions,
    experiment: str,
    defaults: filters.Conditions,
    others: bool = True,
) -> pd.DataFrame:
    """The usable rows in a file that tell of a capacity, and that meet --where and the defaults.

    Training with junk or at few bits is left out unless it is asked for. As in figures and scorecard, a capacity is
    that of the runs that an experiment asks for, of which others may have another recipe; where it asks for none, that
    of all runs. others: whether to take all runs for each capacity that the experiment has none of, or only where it
    has none at all.
    """
    met = filters.drop_special_training(filters.read_selected_measurements(path, where, defaults), where)
    rows = filters.require_rows(select_usable_rows(met))
    if filters.EXPERIMENT in where:
        return rows
    table = learning_rates.select_experiment_runs(measurement_table.read_measurements(path), experiment)
    own = select_usable_rows(table.filter(learning_rates.requested_mask(table, experiment)).to_pandas())
    own = own[_membership_mask(own, met, ["run", "variant"])]
    if len(own) and not others:
        return own
    return pd.concat([own, rows[~_membership_mask(rows, own, GROUP)]], ignore_index=True)


def select_usable_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Runs with a result at the best of their learning rates, with the columns of `add_columns` and `add_spreads`.

    Answers to questions are left out.
    """
    kept = rows.diverged.isna() & rows.accuracy_by_attribute.isna()
    known = rows if "spread_variance" in rows else add_spreads(rows)
    return known[kept & rows.lr_best.fillna(True).astype(bool)]


def build_observations(rows: pd.DataFrame) -> list[Observation]:
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


def fit_capacities(rows: pd.DataFrame) -> dict[tuple[Any, ...], Fit | str]:
    """By data, design, exposures and variant, the fit or why there is none. rows: of `select_usable_rows`."""
    found: dict[tuple[Any, ...], Fit | str] = {}
    for key, group in rows.groupby(GROUP, sort=True):
        try:
            found[key] = fit_capacity(build_observations(group), log_spread_prior(group))
        except UserError as error:
            found[key] = str(error)
    return found


def select_main_data(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of one kind of data: of those that tell a capacity, if any do, that of the largest model."""
    by_data = [group for _, group in rows.groupby("data", sort=True)]
    telling = [group for group in by_data if any(map(is_determined, fit_capacities(group).values()))]
    return max(telling or by_data, key=lambda group: float(group.n_parameters.max()))


def shorten_data_names(data: Iterable[str]) -> dict[str, str]:
    """How figures call the data: by its kind, where no other has that kind, else by its name."""
    kinds = {name: name.split("-")[0] for name in data}
    counts = Counter(kinds.values())
    return {name: kind if counts[kind] == 1 else name for name, kind in kinds.items()}


def is_determined(one: Fit | str) -> TypeGuard[Fit]:
    """Whether there is a capacity, and an interval narrow enough to be of use."""
    return isinstance(one, Fit) and one.determined


def format_fits(found: Mapping[tuple[Any, ...], Fit | str]) -> str:
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
        low, high = format_decimals(one.capacity.low), format_decimals(one.capacity.high)
        if one.bound == "low":
            cells.append(
                [name, f"at least {low}" if one.capacity.low > 0 else NOT, "", "", "", *counts, marks]
            )
        elif not one.determined:
            cells.append([name, NOT, "", "", "", *counts, marks])
        else:
            shape = [f"{one.sharpness:z.1f}", f"{100 * one.spread:z.0f} %"] if one.shaped else ["", ""]
            cells.append(
                [name, format_decimals(one.capacity.mean), f"{low} to {high}", *shape, *counts, marks]
            )
    notes = [f"{number}. {text}" for text, number in remarks.items()]
    return "\n".join([align_columns(cells), *([""] if notes else []), *notes])


def _membership_mask(rows: pd.DataFrame, others: pd.DataFrame, columns: list[str]) -> pd.Series:
    """Which rows have the values of some other row in these columns."""
    known = set(others[columns].itertuples(index=False, name=None))
    found = [values in known for values in rows[columns].itertuples(index=False, name=None)]
    return pd.Series(found, index=rows.index, dtype=bool)
