"""Where the mean R of a cell should lie when somebody trains it again, by what is published of it.

The band of a cell is Student's 99 % prediction interval for the mean of so many more seeds. Its variance over seeds is
the cell's own, moved towards that of its kind (`spread`). A study has many cells, of which chance leaves one outside
now and then: a study is remarkable where more of them lie outside than in 95 of 100 studies on a sound machine.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from ..specs import FULL_PRECISION
from .bootstrap import LEVEL
from .intervals import NO_PRIOR, Interval, Prior, standard_error, student_quantile
from .spread import CELL, add_spreads, spread_prior

BAND = (
    0.99  # Wider bands, such as Bonferroni's for forty cells of two seeds, would let nearly everything pass.
)
# A recipe may leave the precision to the device, and a study may score some of the people: such cells are others.
ALIKE = [*CELL, "precision", "people_scored"]
MEASUREMENT = ["run", "trained_at"]
ORIGIN = ["engine", "device", "torch", "train_code", "capacity_code"]  # what may make the difference
ROUNDING = 1e-6  # of the most that R can be: seeds that know everything agree to the last digits
MOST_SHOWN = 5  # of cells, and of the names of what they were made with
PAGE = "docs/troubleshooting.md#cells-outside-of-their-bands"


class Reading(NamedTuple):
    """A cell of a study beside its band. name: dataset/architecture/recipe.

    mean: of R over the seeds of the study. band: around the mean of the published seeds. seeds: how many these are.
    """

    name: str
    mean: float
    band: Interval
    seeds: int

    @property
    def is_inside(self) -> bool:
        return self.band.low <= self.mean <= self.band.high


def predict_mean(
    values: Sequence[float],
    errors: Sequence[float],
    more: int,
    prior: Prior = NO_PRIOR,
) -> Interval | None:
    """The mean of the values of some seeds, and where that of so many more seeds lies in 99 of 100 cases.

    errors, prior: as in `interval_over_seeds`; as there, the wider of Student's interval and that of people alone
    counts. None where nothing tells of the spread over seeds: for one seed without a prior.
    """
    n, mean = len(values), float(np.mean(values))
    freedom = n - 1 + prior.freedom
    if freedom <= 0:
        return None
    squares = sum((value - mean) ** 2 for value in values) + prior.freedom * prior.variance
    upper = (1 + BAND) / 2
    by_spread = student_quantile(freedom, upper) * math.sqrt(squares / freedom)
    by_people = student_quantile(math.inf, upper) * math.sqrt(float(np.mean(np.square(errors))))
    half = max(by_spread, by_people) * math.sqrt(1 / n + 1 / more)
    return Interval(mean, mean - half, mean + half)


def judge_cells(rows: pd.DataFrame, published: pd.DataFrame) -> list[Reading]:
    """The cells of a study that are published too, each beside its band. rows, published: measurements.

    A cell is a dataset, an architecture and a recipe, at a precision, with so many people scored; weights are as
    trained, since variants follow from these. Runs that diverged count on neither side. A published cell of one seed
    that is alone of its kind has no band.
    """
    known = add_spreads(published)
    ours, theirs = (_group_cells(one) for one in (rows, known))
    found = []
    for key in sorted(ours.keys() & theirs.keys()):
        here, there = ours[key], theirs[key]
        errors = standard_error(there.bits_learned_low, there.bits_learned_high) / there.n_parameters
        band = predict_mean(list(there.capacity_ratio), list(errors), len(here), prior=spread_prior(there))
        if band:
            most = float(there.capacity_ratio_max.max())
            low, high = band.low - ROUNDING * most, min(band.high, most) + ROUNDING * most
            reading = Interval(band.mean, low, high)
            found.append(Reading("/".join(key[:3]), float(here.capacity_ratio.mean()), reading, len(there)))
    return found


def drop_published(rows: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """The measurements of runs that are not the published ones themselves."""
    same = rows.set_index(MEASUREMENT).index.isin(published.set_index(MEASUREMENT).index)
    return rows[~same]


def allowed_outside(cells: int) -> int:
    """How many of so many cells chance alone leaves outside of their bands, at most, in 95 of 100 studies."""
    return int(stats.binom.ppf(LEVEL, cells, 1 - BAND))


def describe_bands(rows: pd.DataFrame, published: pd.DataFrame) -> list[str]:
    """What the bands say of a study, in lines: none where all of its runs are the published ones.

    Every cell outside is named, up to MOST_SHOWN. Fingerprints of code change with edits that change no number, so
    cells are compared whatever these are (files of another meaning cannot be read at all); where a study is
    remarkable, the lines say what differs.
    """
    own = drop_published(rows, published)
    if own.empty:
        return []
    readings = judge_cells(own, published)
    if not readings:
        return ["None of this study's models are published, so there is nothing to compare it with."]
    outside = [one for one in readings if not one.is_inside]
    inside, allowed = len(readings) - len(outside), allowed_outside(len(readings))
    lines = [f"{inside} of {len(readings)} cells that are published too lie within their 99 % bands."]
    for one in outside[:MOST_SHOWN]:
        lines.append(
            f"  {one.name}: R {one.mean:z.3f} lies outside of {one.band.low:z.3f} to {one.band.high:z.3f} "
            f"({one.seeds} published seeds)"
        )
    if len(outside) > MOST_SHOWN:
        lines.append(f"  and {len(outside) - MOST_SHOWN} more")
    if len(outside) > allowed:
        lines.append(
            f"Chance leaves more than {allowed} outside in fewer than 5 of 100 studies, so something differs "
            f"here. See {PAGE}."
        )
        lines += _describe_origins(own, published)
    elif outside:
        lines.append(f"Chance leaves as many outside: up to {allowed} of {len(readings)}.")
    return lines


def _group_cells(rows: pd.DataFrame) -> dict[tuple[str, ...], pd.DataFrame]:
    """By ALIKE, the seeds of each cell that have a result, as trained."""
    usable = rows[(rows.variant == FULL_PRECISION) & rows.diverged.isna()]
    return {tuple(key): seeds for key, seeds in usable.groupby(ALIKE, dropna=False)}


def _describe_origins(rows: pd.DataFrame, published: pd.DataFrame) -> list[str]:
    """What cells that both have were made with, where it differs, in a line each."""
    ours, theirs = (_group_cells(one) for one in (rows, published))
    both = ours.keys() & theirs.keys()
    lines = []
    for column in ORIGIN:
        here, there = ({value for key in both for value in side[key][column]} for side in (ours, theirs))
        if here != there:
            lines.append(f"  {column}: here {_name_some(here)}; published {_name_some(there)}")
    return lines


def _name_some(values: set[str]) -> str:
    names = sorted(values)
    more = f" and {len(names) - MOST_SHOWN} more" if len(names) > MOST_SHOWN else ""
    return ", ".join(names[:MOST_SHOWN]) + more
