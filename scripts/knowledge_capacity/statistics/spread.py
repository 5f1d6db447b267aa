"""How far seeds of a cell lie apart, as other cells of its kind tell.

Two seeds say little of their spread: Student's t asks for 12.7 standard errors. But a study has dozens of cells, and
those of one kind spread much alike. So the variance of a cell is moved towards that of its kind, by as many degrees
of freedom as the cells themselves support (the moderated t of Smyth 2004, doi 10.2202/1544-6115.1027): many where
their variances differ by no more than chance, few where they differ by more, none where the kind has a single cell.
`statistics.coverage` holds the intervals that follow against studies made up with a known truth.
"""

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from ..measurements.columns import add_columns
from ..measurements.measurement_table import DATA_LIMITED
from ..specs import FULL_PRECISION, Dataset, Recipe
from .intervals import NO_PRIOR, Prior

CELL = ["dataset", "architecture", "recipe"]
VARIANT = [*CELL, "variant"]
KIND = ["facts", "precise", "special", "often", "filled", "large"]
OTHER_FACTS = ["bioD", "random"]  # than those of biographies
OFTEN = math.sqrt(100 * 1000)  # exposures: rather the paper's 1000 than its 100
LITTLE = 0.1  # of all there is to know: below, spread is no share of what is learned
LARGE = 100_000  # parameters
LEAST_SHARE = 1e-5  # of the median variance: seeds that agree to the last digit have no logarithm
COLUMNS = ["spread_variance", "spread_freedom", "change_variance", "change_freedom"]


def add_spreads(rows: pd.DataFrame, others: pd.DataFrame | None = None) -> pd.DataFrame:
    """Measurements with what cells of their kind say of the spread over seeds; those that diverged have none.

    others: the measurements to learn from, which hold these; without them, these alone.
    A cell is a dataset, an architecture and a recipe, at a variant. Its kind: the kind of facts, whether weights are
    as trained, whether training was special (junk, few bits), rather 100 or 1000 exposures, how much of its facts it
    knows, and its size.
    spread_variance: of R over seeds, in square bits per parameter. change_variance: of log R against the same run
    as trained, for variants; 0 with a freedom of 0 where R was not positive. spread_freedom, change_freedom: how many
    degrees of freedom each is worth.
    """
    return join_spreads(rows, learn_spreads(rows if others is None else others))


def learn_spreads(measurements: pd.DataFrame) -> pd.DataFrame:
    """What `add_spreads` adds, a line for each cell and variant: for many selections of the same measurements."""
    known = add_columns(measurements)
    usable = known[known.diverged.isna()]
    if usable.empty:
        return pd.DataFrame(columns=COLUMNS)
    cells = _summarize_cells(usable)
    changes = _summarize_changes(usable, cells)
    found = cells[["kind", "scale"]].join(_priors_by_kind(cells), on="kind")
    found = found.join(_priors_by_kind(changes).add_prefix("change_"), on="kind")
    found = found.assign(spread_variance=found.variance * found.scale**2, spread_freedom=found.freedom)
    return found[COLUMNS].fillna(0.0)


def join_spreads(rows: pd.DataFrame, spreads: pd.DataFrame) -> pd.DataFrame:
    """Measurements with the columns of `add_spreads`. spreads: of `learn_spreads`."""
    rows = add_columns(rows)
    if spreads.empty:
        return rows.assign(**dict.fromkeys(COLUMNS, 0.0))
    return rows.drop(columns=COLUMNS, errors="ignore").join(spreads, on=VARIANT)


def expected_spread(dataset: Dataset, recipe: Recipe, n_parameters: float, known: pd.DataFrame) -> Prior:
    """What measurements say of the variance of log R over seeds of a cell before it is trained.

    The cell is taken to learn a tenth of its facts or more, and not all. known: the measurements to learn from.
    A freedom of 0 means that no two cells of its kind are among them.
    """
    usable = add_columns(known[known.diverged.isna()])
    facts = dataset.kind if dataset.kind in OTHER_FACTS else "people"
    special = int(recipe.junk is not None) + 2 * int(recipe.qat is not None)
    special += 8 * int(recipe.snapshots or recipe.afterwards is not None) + 16 * int(
        recipe.adapter is not None
    )
    kind = (facts, True, special, recipe.exposures >= OFTEN, 1, n_parameters >= LARGE)
    found = _priors_by_kind(_summarize_cells(usable)) if len(usable) else pd.DataFrame()
    return Prior(*map(float, found.loc[[kind]].iloc[0])) if kind in found.index else NO_PRIOR


def spread_prior(rows: pd.DataFrame) -> Prior:
    """What other cells say of the variance of R. rows: the seeds of a cell, perhaps without `add_spreads`."""
    return _read_prior(rows, "spread")


def log_spread_prior(rows: pd.DataFrame) -> Prior:
    """What other cells say of the variance of log R. rows: of several cells, of which those with R above 0 count."""
    priors, means = [], []
    for _, cell in rows.groupby(VARIANT):
        if (mean := float(cell.capacity_ratio.mean())) > 0:
            priors.append(spread_prior(cell))
            means.append(mean)
    if not priors:
        return NO_PRIOR
    variances = [one.variance / mean**2 for one, mean in zip(priors, means, strict=True)]
    return Prior(float(np.mean(variances)), min(one.freedom for one in priors))


def log_ratio_prior(a: pd.DataFrame, b: pd.DataFrame, same_runs: bool) -> Prior:
    """What other cells say of the variance of log R of a over R of b, both paired by seed.

    Of different runs: the sum of both, as if people moved them apart; they move both alike, so it is rather too much.
    same_runs: variants of the same runs, where what other variants of their kind lost tells.
    """
    if same_runs:
        stored = [side for side in (a, b) if (side.variant != FULL_PRECISION).all()]
        return _read_prior(stored[0], "change") if len(stored) == 1 else NO_PRIOR
    means = [float(side.capacity_ratio.mean()) for side in (a, b)]
    if min(means) <= 0:
        return NO_PRIOR
    priors = [spread_prior(side) for side in (a, b)]
    variance = sum(one.variance / mean**2 for one, mean in zip(priors, means, strict=True))
    return Prior(variance, min(one.freedom for one in priors))


def estimate_prior(variances: NDArray[np.float64], freedoms: NDArray[np.float64], cells: int) -> Prior:
    """The mean variance of several cells, and the degrees of freedom that it is worth for each of them.

    By the moments of log s² (Smyth 2004, section 6.2). Their mean would be the variance of a kind whose cells differ as
    s² of a scaled inverse χ²; the pooled variance is larger, and holds for heavy tails too. The freedom is at most the
    number of other cells. cells: how many of the variances are independent, being of different trainings.
    """
    if cells < 2:
        return NO_PRIOR
    pooled = float(np.sum(variances * freedoms) / np.sum(freedoms))
    if not pooled:
        return NO_PRIOR
    logs = np.log(np.maximum(variances, LEAST_SHARE * np.median(variances) + 1e-300))
    logs += np.log(freedoms / 2) - special.digamma(freedoms / 2)
    excess = float(np.var(logs, ddof=1) - np.mean(special.polygamma(1, freedoms / 2)))
    freedom = 2 * _inverse_trigamma(excess) if excess > 0 else math.inf
    return Prior(pooled, min(freedom, cells - 1.0))


def _summarize_cells(rows: pd.DataFrame) -> pd.DataFrame:
    """A line for each cell and variant: its kind, variance in units of scale, and degrees of freedom."""
    groups = rows.groupby(VARIANT)
    first = groups[
        ["recipe_spec", "kind", "exposures", "junk_share", "qat", "n_parameters", "accuracy_by_attribute"]
    ].first()
    ratio, share = groups.capacity_ratio.mean(), groups.bits_learned.sum() / groups.bits_max.sum()
    first["facts"] = np.where(first.kind.isin(OTHER_FACTS), first.kind, "people")
    first["precise"] = [variant == FULL_PRECISION for *_, variant in first.index]
    first["special"] = (first.junk_share > 0).astype(int) + 2 * first.qat.notna().astype(int)
    first["special"] += 4 * first.accuracy_by_attribute.notna().astype(int)
    # weights on the way, and what is left after other people, spread otherwise than trained weights
    first["special"] += 8 * first.recipe_spec.str.contains('"snapshots"|"afterwards"').astype(int)
    first["special"] += 16 * first.recipe_spec.str.contains('"adapter"').astype(int)
    first["often"] = first.exposures >= OFTEN
    first["filled"] = (share >= LITTLE).astype(int) + (share >= DATA_LIMITED).astype(int)
    first["large"] = first.n_parameters >= LARGE
    kinds = list(first[KIND].itertuples(index=False, name=None))
    scale = ratio.where(first.filled > 0, 1.0)
    return pd.DataFrame(
        {
            "kind": pd.Series(kinds, index=first.index),
            "scale": scale,
            "variance": groups.capacity_ratio.var(ddof=1) / scale**2,
            "freedom": groups.capacity_ratio.count() - 1,
        }
    )


def _summarize_changes(rows: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    """As `_summarize_cells`, for log R of each variant over that of the same run as trained."""
    trained = rows[rows.variant == FULL_PRECISION].drop_duplicates("run").set_index("run").capacity_ratio
    stored = rows[(rows.variant != FULL_PRECISION) & (rows.capacity_ratio > 0)]
    stored = stored.assign(before=stored.run.map(trained).astype(float))
    stored = stored[stored.before > 0]
    groups = stored.assign(change=np.log(stored.capacity_ratio / stored.before)).groupby(VARIANT).change
    found = pd.DataFrame({"variance": groups.var(ddof=1), "freedom": groups.count() - 1})
    return found.join(cells[["kind"]])


def _priors_by_kind(cells: pd.DataFrame) -> pd.DataFrame:
    """variance and freedom of the prior of each kind."""
    several = cells[cells.freedom > 0]
    found: dict[Any, Prior] = {}
    for kind, group in several.groupby("kind"):
        trainings = len({key[:3] for key in group.index})
        found[kind] = estimate_prior(group.variance.to_numpy(float), group.freedom.to_numpy(float), trainings)
    return pd.DataFrame.from_dict(found, orient="index", columns=list(Prior._fields))


def _read_prior(rows: pd.DataFrame, what: str) -> Prior:
    """The prior in the columns of a cell's rows; none, where `add_spreads` has not been there."""
    if f"{what}_freedom" not in rows or rows.empty:
        return NO_PRIOR
    first = rows.iloc[0]
    return Prior(float(first[f"{what}_variance"]), float(first[f"{what}_freedom"]))


def _inverse_trigamma(value: float) -> float:
    """Where the derivative of digamma is this value, by Newton's method (Smyth 2004, appendix)."""
    if value > 1e7:
        return 1 / math.sqrt(value)
    found = 0.5 + 1 / value
    for _ in range(50):
        trigamma = float(special.polygamma(1, found))
        step = trigamma * (1 - trigamma / value) / float(special.polygamma(2, found))
        found += step
        if -step / found < 1e-8:
            break
    return found
