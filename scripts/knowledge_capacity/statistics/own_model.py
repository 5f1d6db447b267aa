"""The answer: two models' bits per parameter, their ratio with its interval, and what follows, in words."""

import pandas as pd

from ..files import UserError
from ..measurements.columns import per_stored_byte
from ..specs import FULL_BITS
from . import compare
from .pairing import Pair
from .readiness import describe_obstacles


def format_answer(rows: pd.DataFrame, yours: str, other: str | None, adapted: bool = False) -> str:
    """A table of both models and a verdict, or why there is none.

    rows: measurements of both at full precision, at their best learning rates, with `late_share`. yours, other: their
    architectures; other is None where nothing stands beside yours. adapted: whether adapters were trained. Raises
    UserError where a run of one of them diverged.
    """
    refuse_diverged(rows)
    shown = [rows[rows.architecture == name].sort_values("seed") for name in (yours, other) if name]
    names = ("your model", "GPT-2 of its size")
    if adapted:
        names = ("the adapter of your model", "the adapter of a GPT-2 of its size")
    said = describe_obstacles(list(zip(shown, names[: len(shown)], strict=True)))
    if not said and other:
        said = compare.describe_verdict([Pair({}, *shown)], *names)
    elif not said:
        mean, low, high = compare.capacity_ratio(shown[0])
        what, counted = ("The adapter", "trained parameter") if adapted else ("Your model", "parameter")
        said = f"{what} stores {mean:z.2f} bits per {counted} ({low:z.2f} to {high:z.2f})."
    table = _format_table(shown, "trained parameters" if adapted else "parameters")
    return f"{table}\n\n{said}".rstrip()


def refuse_diverged(rows: pd.DataFrame) -> None:
    """Raise UserError where a run diverged, with the remedy."""
    for _, row in rows[rows.diverged.notna()].iterrows():
        remedy = f"Lower lr (now {row.lr:g}) or raise warmup_steps in a recipe of your own: --recipe NAME."
        raise UserError(
            f"{row.architecture}: training diverged with seed {row.seed}: {row.diverged}. {remedy}"
        )


def _format_table(both: list[pd.DataFrame], counted: str) -> str:
    """A line for each model, its size under `counted`; with bits per stored byte, where one of them is quantised."""
    per_byte = any((one.bits_per_weight != FULL_BITS).any() for one in both)
    cells = [["", counted, "bits per parameter", "95 % interval", "at most", "data-limited"]]
    cells[0] += ["bits per stored byte"] if per_byte else []
    for one in both:
        mean, low, high = compare.capacity_ratio(one)
        limited = int(one.data_limited.sum())
        name = one.architecture.iloc[0]
        size, most = f"{one.n_parameters.mean():z,.0f}", f"{one.capacity_ratio_max.mean():z.2f}"
        said = f"{limited} of {len(one)} seeds" if limited else "no"
        stored = f"{per_stored_byte(mean, one.bits_per_weight.mean()):z.3f}"
        line = [name, size, f"{mean:z.3f}", f"{low:z.3f} to {high:z.3f}", most, said]
        cells.append([*line, stored] if per_byte else line)
    return compare.align_columns(cells)
