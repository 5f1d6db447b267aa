"""The answer: two models' bits per parameter, their ratio with its interval, and what follows, in words."""

import math

import pandas as pd

from ..capacity.seeds import Interval, over_seeds, standard_error
from ..experiments import comparison
from ..files import UserError


def answer(rows: pd.DataFrame, yours: str, other: str) -> str:
    """A table of both models and a verdict.

    rows: measurements of both at full precision, at their best learning rates. yours, other: their
    architectures. Raises UserError where a run of one of them diverged.
    """
    for _, row in rows[rows.diverged.notna()].iterrows():
        remedy = f"Lower lr (now {row.lr:g}) or raise warmup_steps in a recipe of your own: --recipe NAME."
        raise UserError(
            f"{row.architecture}: training diverged with seed {row.seed}: {row.diverged}. {remedy}"
        )
    both = [rows[rows.architecture == name].set_index("seed").sort_index() for name in (yours, other)]
    return f"{_table(both)}\n\n{verdict(*both)}"


def ratio(yours: pd.DataFrame, other: pd.DataFrame) -> Interval | None:
    """R of the one over R of the other, and its 95 % interval; None where one learned nothing.

    The mean, and the interval, are of the logarithm, seed by seed, since a seed gives both the same people.
    """
    if min(yours.capacity_ratio.min(), other.capacity_ratio.min()) <= 0:
        return None
    logs = [math.log(a / b) for a, b in zip(yours.capacity_ratio, other.capacity_ratio, strict=True)]
    errors = [
        math.hypot(*(standard_error(r.bits_learned_low, r.bits_learned_high) / r.bits_learned for r in pair))
        for pair in zip(yours.itertuples(), other.itertuples(), strict=True)
    ]
    return Interval(*map(math.exp, over_seeds(logs, errors)))


def verdict(yours: pd.DataFrame, other: pd.DataFrame) -> str:
    """What the ratio says, as a line of numbers and a line of words.

    "More" or "less" needs an interval without 1, and two models that their dataset does not limit.
    """
    found = ratio(yours, other)
    if not found:
        return "There is no ratio: one of them learned nothing. Train longer, or make the model larger."
    mean, low, high = found
    seeds = "1 seed" if len(yours) == 1 else f"{len(yours)} seeds"
    lines = [f"ratio to GPT-2: {mean:.2f}, 95 % interval {low:.2f} to {high:.2f} ({seeds})"]
    where = "in this setting"
    if len(yours) == 1:
        lines.append("With one seed the interval covers other people, but not other seeds.")
        where = "with this seed; another may say otherwise"
    limited = [name for name, one in (("your model", yours), ("GPT-2", other)) if one.data_limited.any()]
    if limited:
        which = " and ".join(limited)
        lines.append(
            f"No verdict: the dataset is too small for {which}. Use a larger dataset or smaller model."
        )
    elif low > 1:
        lines.append(f"Your model stores more bits per parameter than GPT-2 of its size, {where}.")
    elif high < 1:
        lines.append(f"Your model stores fewer bits per parameter than GPT-2 of its size, {where}.")
    else:
        lines.append("No difference is shown: the interval holds 1. More seeds make it narrower.")
    return "\n".join(lines)


def _table(both: list[pd.DataFrame]) -> str:
    cells = [["", "parameters", "bits per parameter", "95 % interval", "at most", "data-limited"]]
    for one in both:
        mean, low, high = comparison.interval(one)
        limited = int(one.data_limited.sum())
        name = one.architecture.iloc[0]
        size, most = f"{one.n_parameters.mean():,.0f}", f"{one.capacity_ratio_max.mean():.2f}"
        said = f"{limited} of {len(one)} seeds" if limited else "no"
        cells.append([name, size, f"{mean:.3f}", f"{low:.3f} to {high:.3f}", most, said])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for name, *rest in cells:
        numbers = (cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))
        lines.append("  ".join([name.ljust(widths[0]), *numbers]))
    return "\n".join(lines)
