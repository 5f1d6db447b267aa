"""Which measurements a command means: those of a file that meet conditions FIELD=VALUE."""

import argparse
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from textwrap import fill

import pandas as pd

from ..config import suggest_name
from ..files import UserError
from ..specs import FULL_PRECISION
from . import learning_rates, measurement_table, spec_columns
from .columns import add_columns

Conditions = Mapping[str, str]

# what a measurement is of, and the fields that describe each; the lr of a recipe may be tuned for each side
ASPECTS: dict[str, tuple[str, ...]] = {
    **{aspect: tuple(one.name for one in columns) for aspect, columns in spec_columns.SPEC_COLUMNS.items()},
    "variant": (),
}
JUNK = {one.name for one in spec_columns.JUNK}
LAST_STUDY = Path("results/measurements.parquet")
EXPERIMENT = "experiment"  # no column: a measurement may be asked for by several
FIELDS = ["seed", EXPERIMENT, *chain.from_iterable((aspect, *fields) for aspect, fields in ASPECTS.items())]
FIELDS_HELP = "FIELD is one of\n" + "\n".join(
    fill(", ".join((aspect, *fields)), 100, initial_indent="  ", subsequent_indent="    ")
    for aspect, fields in {**ASPECTS, "seed": (), EXPERIMENT: ()}.items()
)


def add_where_argument(parser: argparse.ArgumentParser, said: str) -> None:
    """The option that chooses among measurements by conditions. said: its help."""
    parser.add_argument("--where", nargs="+", default=[], metavar="FIELD=VALUE", help=said)


def add_measurements_argument(parser: argparse.ArgumentParser) -> None:
    """The argument that says which measurements a command reads."""
    parser.add_argument(
        "measurements",
        type=Path,
        nargs="?",
        default=LAST_STUDY,
        metavar="MEASUREMENTS",
        help=f"default: {LAST_STUDY}",
    )


def read_selected_measurements(
    path: Path, where: Conditions | None = None, defaults: Conditions | None = None
) -> pd.DataFrame:
    """The measurements in a file, those that meet --where.

    Where that names an experiment, the best of the learning rates is that of those which it asks for itself. Raises
    UserError for a file that has none, and where none is left.
    """
    table = measurement_table.read_measurements(path)
    if not len(table):
        raise UserError(
            f"{path}: there is not one measurement in it. Run `make study`, or name another file."
        )
    if (
        where
        and EXPERIMENT in where
        and len(own := learning_rates.select_experiment_runs(table, where[EXPERIMENT]))
    ):
        table = own
    try:
        return select_measurements(table.to_pandas(), where or {}, "--where", defaults)
    except UserError as error:
        last = ", of the study that ran last" if path == LAST_STUDY else ""
        raise UserError(f"{error} The file is {path}{last}.") from None


def special_training_masks(rows: pd.DataFrame, asked: Conditions) -> dict[str, pd.Series]:
    """By what it is, which rows are of training at few bits or with junk, unless conditions ask for such training.

    These are a recipe, an experiment (which names runs of its own), and the fields of the thing itself.
    """
    if {"recipe", EXPERIMENT} & asked.keys():
        return {}
    kinds = {
        "trained at few bits (qat)": ({"qat"}, add_columns(rows).qat.notna()),
        "trained with junk": (JUNK, rows.junk_share > 0),
    }
    return {name: mask for name, (fields, mask) in kinds.items() if not fields & asked.keys()}


def drop_special_training(rows: pd.DataFrame, asked: Conditions, option: str = "--where") -> pd.DataFrame:
    """The rows without those of `special_training_masks` training. Raises UserError where none is left."""
    kept = rows[~pd.DataFrame(special_training_masks(rows, asked), index=rows.index).any(axis=1)]
    if kept.empty and len(rows):
        names = ", ".join(sorted(set(rows.recipe)))
        raise UserError(
            f"all of these were trained with junk or at few bits. Add qat=, junk_share= or recipe=NAME to {option}: "
            f"{names}."
        )
    return kept


def require_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows, if there are any. rows: those of runs that tell of a capacity."""
    if rows.empty:
        raise UserError(
            "none of these measurements tells of a capacity: all runs diverged, or were asked questions, or "
            "are not at the best of their learning rates. Train others, or change --where."
        )
    return rows


def parse_conditions(words: list[str], option: str) -> dict[str, str]:
    """FIELD=VALUE … as a mapping. Raises UserError for other words and for unknown fields."""
    found = {}
    for word in words:
        field, equals, value = word.partition("=")
        if not equals or not value:
            raise UserError(f"{option} {word}: this is no condition. Write FIELD=VALUE, such as family=gpt2.")
        if field not in FIELDS:
            raise UserError(f"{option} {word}: there is no field {field}. {suggest_name(field, FIELDS)}")
        if field in found:
            raise UserError(f"{option} {word}: {field} stands here twice. Leave one of them.")
        found[field] = value
    return found


def select_measurements(
    rows: pd.DataFrame, wanted: Conditions, option: str, defaults: Conditions | None = None
) -> pd.DataFrame:
    """The measurements that meet all conditions, and the defaults for fields that these do not name.

    Raises UserError where none is left, with the values that there are.
    """
    met: list[str] = []
    rows = add_columns(rows)
    unnamed = {column: value for column, value in (defaults or {}).items() if column not in wanted}
    for column, value in {**wanted, **unnamed}.items():
        if column == EXPERIMENT:
            known = {name for names in rows.experiments if names is not None for name in names}
        else:
            known = {format_value(one) for one in rows[column]}
        rows = filter_measurements(rows, {column: value})
        if rows.empty:
            unsaid = " (the default)" if column in unnamed else ""
            others = f" with {' '.join(met)}" if met else ""
            remedy = suggest_name(value, known)
            raise UserError(f"{option} {column}={value}{unsaid}: no measurement{others}. {remedy}")
        met.append(f"{column}={value}")
    return rows


def filter_measurements(rows: pd.DataFrame, wanted: Conditions) -> pd.DataFrame:
    """The measurements that meet all conditions, perhaps none."""
    for column, value in wanted.items():
        if column == EXPERIMENT:
            rows = rows[[names is not None and value in names for names in rows.experiments]]
        else:
            rows = rows[add_columns(rows)[column].map(format_value) == format_value(value)]
    return rows


def describe_choices(rows: pd.DataFrame) -> str:
    """What there is to compare: the names of each aspect, and an example of how to ask."""
    names = {aspect: sorted(set(rows[aspect])) for aspect in ASPECTS}
    lines = [f"{aspect}\n  " + "\n  ".join(found) for aspect, found in names.items()]
    lines.append("seed\n  " + ", ".join(map(str, sorted(set(rows.seed)))))
    plain = rows[rows.accuracy_by_attribute.isna()]
    for aspect in ("variant", "architecture", "recipe", "dataset"):
        found = sorted(set(plain[aspect]), key=lambda name: (name == FULL_PRECISION, name))
        if len(found) > 1:
            lines.append(f"\nFor example: --a {aspect}={found[0]} --b {aspect}={found[-1]}")
            break
    return "\n".join(lines)


def format_value(value: object) -> str:
    """A value as text, numbers in one way: 2e-2, 0.02 and 0.020 are equal, as are 8 and 8.0."""
    if value is None or value != value:
        return "none"
    try:
        return f"{float(str(value)):.12g}"
    except ValueError:
        return str(value)
