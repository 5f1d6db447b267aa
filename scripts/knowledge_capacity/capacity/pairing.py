"""Which measurements are compared with which: by seed, so that both have the same people, all else equal."""

import argparse
import json
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import pandas as pd

from ..config import did_you_mean
from ..files import UserError
from ..specs import FULL_PRECISION

Conditions = Mapping[str, str]
Keys = dict[str, tuple[str, ...]]  # by aspect, the fields that must be equal

# what a measurement is of, and the fields that describe each; the lr of a recipe may be tuned for each side
ASPECTS = {
    "dataset": ("kind", "n_people"),
    "architecture": ("family", "layers", "heads", "width"),
    "recipe": (
        "exposures",
        "lr",
        "weight_decay",
        "batch_size",
        "window",
        "warmup_steps",
        "junk_share",
        "junk_people",
        "junk_windows",
        "domain_token",
        "optimizer",
        "precision",
    ),
    "variant": (),
}
FIELDS = ["seed", *chain.from_iterable((aspect, *fields) for aspect, fields in ASPECTS.items())]


@dataclass(frozen=True)
class Unit:
    """Two sides that differ in what is compared alone. a and b: their measurements, by seed, the same seeds.

    shared: what both are, by aspect or field. apart: fields that nobody named, in which they differ as well.
    """

    shared: dict[str, str]
    a: pd.DataFrame
    b: pd.DataFrame
    apart: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def seeds(self) -> int:
        return len(self.a)


def add_measurements(parser: argparse.ArgumentParser) -> None:
    """The argument that says which measurements a command reads."""
    parser.add_argument(
        "measurements",
        type=Path,
        nargs="?",
        default=Path("results/measurements.parquet"),
        metavar="MEASUREMENTS",
        help="default: results/measurements.parquet",
    )


def conditions(words: list[str], option: str) -> dict[str, str]:
    """FIELD=VALUE … as a mapping. Raises UserError for other words and for unknown fields."""
    found = {}
    for word in words:
        field, equals, value = word.partition("=")
        if not equals or not value:
            raise UserError(f"{option} {word}: this is no condition. Write FIELD=VALUE, such as family=gpt2.")
        if field not in FIELDS:
            raise UserError(f"{option} {word}: there is no field {field}. {did_you_mean(field, FIELDS)}")
        if field in found:
            raise UserError(f"{option} {word}: {field} stands here twice. Leave one of them.")
        found[field] = value
    return found


def select(rows: pd.DataFrame, wanted: Conditions, option: str) -> pd.DataFrame:
    """The measurements that meet all conditions. Raises UserError, with the values there are, for none."""
    for column, value in wanted.items():
        known = {_text(one) for one in rows[column]}
        rows = rows[rows[column].map(_text) == _text(value)]
        if rows.empty:
            where = " that meets the conditions before it" if len(wanted) > 1 else ""
            raise UserError(f"{option} {column}={value}: no measurement{where}. {did_you_mean(value, known)}")
    return rows


def pairs(rows: pd.DataFrame, a: Conditions, b: Conditions) -> list[Unit]:
    """The units in which both sides have measurements, smaller models first.

    A side that does not name a variant is taken as trained; one that names neither recipe nor lr, at the best
    of the learning rates that were tried. An aspect in whose fields the conditions differ is what is
    compared; all others must be equal, but for the lr. If a side still leaves several for one seed (such as
    all sizes of a family), those that agree in the other fields of what is compared are paired. Diverged runs
    have no partner.
    Raises UserError where nothing pairs, and where a side has several measurements of one unit and seed.
    """
    compared = [
        aspect
        for aspect, fields in ASPECTS.items()
        if any(a.get(field) != b.get(field) for field in (aspect, *fields))
    ]
    rated = bool({"lr", "recipe"} & {*a, *b})
    usable = rows[rows.diverged.isna() & (rated | rows.lr_best.fillna(True).astype(bool))]
    if usable.empty:
        raise UserError("the measurements hold no run with a result.")
    sides = {
        name: select(usable, {"variant": FULL_PRECISION, **wanted}, name)
        for name, wanted in (("--a", a), ("--b", b))
    }
    named = {*a, *b, "lr"}
    keys: Keys = {aspect: () if aspect in compared else (aspect,) for aspect in ASPECTS}
    groups = {name: _grouped(side, keys) for name, side in sides.items()}
    if any(side.seed.duplicated().any() for both in groups.values() for side in both.values()):
        left = {aspect: tuple(f for f in ASPECTS[aspect] if f not in named) for aspect in compared}
        keys |= {aspect: () if aspect in named else fields for aspect, fields in left.items()}
        groups = {name: _grouped(side, keys) for name, side in sides.items()}
    units = []
    for key in [key for key in groups["--a"] if key in groups["--b"]]:
        both = [groups[name][key].sort_values("seed") for name in sides]
        for name, side in zip(sides, both, strict=True):
            _refuse_several(side, name)
        seeds = set(both[0].seed) & set(both[1].seed)
        if not seeds:
            continue
        one, other = (side[side.seed.isin(seeds)] for side in both)
        if (one.index == other.index).all():
            raise UserError(
                "--a and --b ask for the same measurements. Give them different values of a field."
            )
        first, second = one.iloc[0], other.iloc[0]
        shared = {f: _text(first[f]) for fields in keys.values() for f in fields}
        fields = [f for aspect in compared if aspect not in named for f in ASPECTS[aspect] if f not in named]
        pair = {f: (_text(first[f]), _text(second[f])) for f in fields}
        apart = {f: values for f, values in pair.items() if values[0] != values[1]}
        units.append(Unit(shared, one, other, apart))
    if not units:
        raise UserError(_nothing_pairs(sides, keys))
    return sorted(units, key=lambda u: (u.shared.get("dataset", ""), u.a.n_parameters.mean()))


def _grouped(rows: pd.DataFrame, keys: Keys) -> dict[Hashable, pd.DataFrame]:
    """The rows by what must be equal."""
    columns = [_column(rows, fields) for fields in keys.values()]
    return dict(list(rows.groupby(pd.Series(list(zip(*columns, strict=True)), index=rows.index), sort=True)))


def _column(rows: pd.DataFrame, fields: tuple[str, ...]) -> list[str]:
    """What must be equal of one aspect, as one text for each row."""
    if fields == ("recipe",):
        return [_without_lr(text) for text in rows.recipe_spec]
    return [", ".join(f"{f} {_text(row[f])}" for f in fields) for _, row in rows.iterrows()]


def _refuse_several(group: pd.DataFrame, name: str) -> None:
    """A seed may stand once on each side of a unit."""
    if not group.seed.duplicated().any():
        return
    one = group[group.seed == group.seed[group.seed.duplicated()].iloc[0]]
    aspect = next(aspect for aspect in ASPECTS if len(set(one[aspect])) > 1)
    known = sorted(one[aspect].unique())
    raise UserError(
        f"{name} leaves {aspect} open: there are {', '.join(known)}. "
        f"Add a condition, such as {aspect}={known[0]}."
    )


def _nothing_pairs(sides: dict[str, pd.DataFrame], keys: Keys) -> str:
    """The first aspect, or the seeds, in which the sides have nothing in common."""
    a, b = sides.values()
    for aspect, fields in keys.items():
        if not set(_column(a, fields)) & set(_column(b, fields)):
            known = [set(s[aspect]) if fields == (aspect,) else set(_column(s, fields)) for s in (a, b)]
            shown = ["; ".join(sorted(one)) for one in known]
            remedy = f"Name the {aspect} of each, if it may differ: {aspect}=NAME."
            return f"--a and --b share no {aspect}: a has {shown[0]}; b has {shown[1]}. {remedy}"
    seeds = [", ".join(map(str, sorted(set(side.seed)))) for side in (a, b)]
    return f"no seed of --a ({seeds[0]}) is one of --b ({seeds[1]}) with all else equal. Train more seeds."


def _without_lr(recipe: str) -> str:
    return json.dumps({k: v for k, v in json.loads(recipe).items() if k != "lr"}, sort_keys=True)


def _text(value: object) -> str:
    """A value as text, numbers in one way: 2e-2, 0.02 and 0.020 are equal, as are 8 and 8.0."""
    if value is None or value != value:
        return "none"
    try:
        return f"{float(str(value)):.12g}"
    except ValueError:
        return str(value)
