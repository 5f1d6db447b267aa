"""Which measurements are compared with which: by seed, so that both have the same people, all else equal."""

import math
from collections.abc import Hashable
from dataclasses import dataclass, field

import pandas as pd

from ..files import UserError
from ..measurements import learning_rates
from ..measurements.columns import add_columns
from ..measurements.filters import (
    ASPECTS,
    Conditions,
    drop_special_training,
    filter_measurements,
    format_value,
    select_measurements,
    special_training_masks,
)
from ..specs import FULL_PRECISION

Keys = dict[str, tuple[str, ...]]  # by aspect, the fields that must be equal
PAIRED = "paired"
DIVERGED = "diverged"
NO_PARTNER = "without a partner, all else equal"
OTHER_RATE = "at another learning rate than the best that both have"
NO_SEED = "without a partner of the same seed"


@dataclass(frozen=True)
class Pair:
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


def pair_seeds(shared: dict[str, str], a: pd.DataFrame, b: pd.DataFrame) -> Pair:
    """Two models beside each other, by the seeds that both have; there may be none. Each has a seed once."""
    seeds = sorted({*a.seed} & {*b.seed})
    return Pair(shared, *(side.set_index("seed").loc[seeds].reset_index() for side in (a, b)))


@dataclass(frozen=True)
class Pairing:
    """The units of a comparison, and what became of all runs.

    runs: how many a and b have, each variant counted by itself. left_out: how many of them are in no unit, by reason.
    lacking: the units in which a side stores more at a learning rate that the other side lacks.
    """

    units: list[Pair]
    runs: tuple[int, int]
    left_out: dict[str, tuple[int, int]]
    lacking: int


def pair_measurements(
    rows: pd.DataFrame, a: Conditions, b: Conditions, where: Conditions | None = None
) -> Pairing:
    """The units in which both sides have measurements, smaller models first, and what is in none.

    A side that does not name a variant is taken as trained; one that names neither recipe nor lr, at the best of the
    learning rates that both sides have (of its own, if they share none). An aspect in whose fields the conditions
    differ is what is compared; all others must be equal, but for the lr. If a side still leaves several for one seed
    (such as all sizes of a family), those that agree in the other fields of what is compared are paired. Diverged runs
    have no partner; nor has training with junk or at few bits, unless a, b or where ask for it. where: what the rows
    meet already.
    Raises UserError where nothing pairs, where a side has several measurements of one unit and seed, and for
    sides that are no question: one leaves open what the other names, or only one of them answers questions.
    """
    _refuse_lopsided(a, b)
    rated = bool({"lr", "recipe"} & {*a, *b})
    rows = add_columns(rows).reset_index(drop=True)
    rows["model"] = _model_keys(rows, rated)
    if rows.diverged.notna().all():
        raise UserError("the measurements hold no run with a result.")
    asked, default = {**(where or {}), **a, **b}, {"variant": FULL_PRECISION}
    fates = {
        name: _reasons_left_out(filter_measurements(rows, {**default, **side}), asked)
        for name, side in (("--a", a), ("--b", b))
    }
    usable = rows[rows.diverged.isna()]
    sides = {
        name: drop_special_training(select_measurements(usable, side, name, default), asked, name)
        for name, side in (("--a", a), ("--b", b))
    }
    _refuse_answers_beside_memory(sides)
    compared = [
        aspect
        for aspect, fields in ASPECTS.items()
        if any(a.get(field) != b.get(field) for field in (aspect, *fields))
    ]
    named = {*a, *b, "lr"}
    keys: Keys = {aspect: () if aspect in compared else (aspect,) for aspect in ASPECTS}
    groups = {name: _group_rows(side, keys) for name, side in sides.items()}
    if any(_has_several_models(side) for both in groups.values() for side in both.values()):
        left = {aspect: tuple(f for f in ASPECTS[aspect] if f not in named) for aspect in compared}
        keys |= {aspect: () if aspect in named else fields for aspect, fields in left.items()}
        groups = {name: _group_rows(side, keys) for name, side in sides.items()}
    units, lacking = [], 0
    for key in [key for key in groups["--a"] if key in groups["--b"]]:
        both = {name: groups[name][key].sort_values("seed") for name in sides}
        for name, side in both.items():
            _refuse_several(side, name)
        if rated:
            kept, better = both, False
        else:
            kept, better = _select_best_rates(both, rows)
        seeds = set(kept["--a"].seed) & set(kept["--b"].seed)
        for name, side in kept.items():
            fates[name][both[name].index] = OTHER_RATE
            fates[name][side.index] = NO_SEED
            fates[name][side.index[side.seed.isin(seeds)]] = PAIRED
        if not seeds:
            continue
        lacking += better
        one, other = (side[side.seed.isin(seeds)] for side in kept.values())
        if (one.index == other.index).all():
            raise UserError(
                "--a and --b ask for the same measurements. Give them different values of a field."
            )
        first, second = one.iloc[0], other.iloc[0]
        shared = {f: format_value(first[f]) for fields in keys.values() for f in fields}
        fields = [f for aspect in compared if aspect not in named for f in ASPECTS[aspect] if f not in named]
        pair = {f: (format_value(first[f]), format_value(second[f])) for f in fields}
        apart = {f: values for f, values in pair.items() if values[0] != values[1]}
        units.append(Pair(shared, one, other, apart))
    if not units:
        raise UserError(_explain_no_pairs(sides, keys))
    units.sort(key=lambda u: (u.shared.get("dataset", ""), u.a.n_parameters.mean()))
    counts = [fate.value_counts() for fate in fates.values()]
    reasons = sorted({reason for count in counts for reason in count.index} - {PAIRED})
    left_out = {reason: (int(counts[0].get(reason, 0)), int(counts[1].get(reason, 0))) for reason in reasons}
    return Pairing(units, (len(fates["--a"]), len(fates["--b"])), left_out, lacking)


def _reasons_left_out(rows: pd.DataFrame, asked: Conditions) -> pd.Series:
    """Why each run is in no unit, as far as its partners have no say in it."""
    found = pd.Series(NO_PARTNER, index=rows.index)
    for reason, mask in special_training_masks(rows, asked).items():
        found[mask] = reason
    found[rows.diverged.notna()] = DIVERGED
    return found


def _model_keys(rows: pd.DataFrame, rated: bool) -> list[tuple[str, ...]]:
    """What a run at a variant is but for its seed and, unless rates are named, its learning rate."""
    recipes = rows.recipe_spec if rated else rows.recipe_without_lr
    return list(zip(rows.dataset, rows.architecture, recipes, rows.variant, strict=True))


def _has_several_models(group: pd.DataFrame) -> bool:
    """Whether some seed has more than one model, so that it is open which is meant."""
    return bool(group.drop_duplicates(["seed", "model"]).seed.duplicated().any())


def _select_best_rates(
    both: dict[str, pd.DataFrame], rows: pd.DataFrame
) -> tuple[dict[str, pd.DataFrame], bool]:
    """Each side at the best of the learning rates that both have, and whether one has a better one.

    The best is that which the study marks or, where the other side lacks it, the best at full precision (at the side's
    own variant, where that is not among the rows).
    """
    a, b = both.values()
    common = {lr for lr, at in a.groupby("lr") if set(at.seed) & set(b[b.lr == lr].seed)}
    kept, better = {}, False
    for name, side in both.items():
        allowed = common or set(side.lr)
        full = rows[rows.model.isin({(*model[:-1], FULL_PRECISION) for model in side.model})]
        full = full if allowed <= set(full.lr) else side
        marked = set(full.lr[full.lr_best.fillna(False).astype(bool)])
        if len(best := marked & allowed) != 1:
            ratios = full.capacity_ratio.where(full.diverged.isna(), -math.inf)
            by_rate = {
                lr: dict(zip(full.seed[full.lr == lr], ratios[full.lr == lr], strict=True)) for lr in allowed
            }
            best = {learning_rates.best_learning_rate(by_rate)}
        kept[name] = side[side.lr == best.pop()]
        better |= bool(marked) and not marked & allowed
    return kept, better


def _group_rows(rows: pd.DataFrame, keys: Keys) -> dict[Hashable, pd.DataFrame]:
    """The rows by what must be equal."""
    columns = [_key_column(rows, fields) for fields in keys.values()]
    return dict(list(rows.groupby(pd.Series(list(zip(*columns, strict=True)), index=rows.index), sort=True)))


def _key_column(rows: pd.DataFrame, fields: tuple[str, ...]) -> list[str]:
    """What must be equal of one aspect, as one text for each row."""
    if fields == ("recipe",):
        return list(rows.recipe_without_lr)
    return [", ".join(f"{f} {format_value(row[f])}" for f in fields) for _, row in rows.iterrows()]


def _refuse_several(group: pd.DataFrame, name: str) -> None:
    """A seed may stand once on each side of a unit, whatever its learning rates."""
    if not _has_several_models(group):
        return
    models = group.drop_duplicates(["seed", "model"])
    one = group[group.seed == models.seed[models.seed.duplicated()].iloc[0]]
    aspect = next(aspect for aspect in ASPECTS if len(set(one[aspect])) > 1)
    known = sorted(one[aspect].unique())
    raise UserError(
        f"{name} leaves {aspect} open: there are {', '.join(known)}. "
        f"Add a condition, such as {aspect}={known[0]}."
    )


def _refuse_lopsided(a: Conditions, b: Conditions) -> None:
    """What one side names, the other must name as well: left open, it would be filled in unseen.

    The variant alone may be left out, since that is as trained. Seeds are no side's own.
    """
    for (name, side), (other_name, other) in ((("--a", a), ("--b", b)), (("--b", b), ("--a", a))):
        if "seed" in side and format_value(side["seed"]) != format_value(other.get("seed")):
            raise UserError(
                f"{name} seed={side['seed']}: seeds are what is paired, so they cannot be compared. "
                f"Write --where seed={side['seed']} to look at one alone."
            )
        for aspect, fields in ASPECTS.items():
            for one in (aspect, *fields) if fields else ():
                enough = {aspect, *fields} if one == aspect else {aspect, one}
                if one in side and not enough & other.keys():
                    raise UserError(
                        f"{name} {one}={side[one]}: {other_name} leaves {one} open. Write {one}=… for "
                        f"{other_name} as well, or --where {one}={side[one]} for both."
                    )


def _refuse_answers_beside_memory(sides: dict[str, pd.DataFrame]) -> None:
    """Bits in answers to questions and bits in biographies are not the same bits."""
    answer = [name for name, side in sides.items() if side.accuracy_by_attribute.notna().any()]
    if len(answer) == 1:
        variant = sides[answer[0]].variant.iloc[0]
        raise UserError(
            f"{answer[0]} variant={variant}: answers to questions tell of values alone, and R of the other side "
            "counts names as well. Compare answers with answers; what can be asked for, of what is stored, "
            "is in the table of `make study STUDY=extraction`."
        )


def _explain_no_pairs(sides: dict[str, pd.DataFrame], keys: Keys) -> str:
    """The first aspect, or the seeds, in which the sides have nothing in common."""
    a, b = sides.values()
    for aspect, fields in keys.items():
        columns = [pd.Series(_key_column(side, fields), index=side.index) for side in (a, b)]
        common = set(columns[0]) & set(columns[1])
        if not common:
            remedy = f"Name the {aspect} of each, if it may differ: {aspect}=NAME."
            return f"--a and --b share no {aspect}: {_describe_difference(a, b, aspect)}. {remedy}"
        a, b = a[columns[0].isin(common)], b[columns[1].isin(common)]
    if set(a.seed) & set(b.seed):
        return "no measurement of --a has a partner in --b with all else equal. Train what is missing."
    seeds = [", ".join(map(str, sorted(set(side.seed)))) for side in (a, b)]
    return f"no seed of --a ({seeds[0]}) is one of --b ({seeds[1]}) with all else equal. Train more seeds."


def _describe_difference(a: pd.DataFrame, b: pd.DataFrame, aspect: str) -> str:
    """The fields of an aspect in which the sides have no value in common or, if there is none, its names."""
    said = []
    for one in [name for name in ASPECTS[aspect] if name != "lr"]:
        values = [dict.fromkeys(side[one].sort_values().map(format_value)) for side in (a, b)]
        if not values[0].keys() & values[1].keys():
            shown = [", ".join(known) for known in values]
            said.append(f"{one} is {shown[0]} in --a and {shown[1]} in --b")
    names = ["; ".join(sorted(set(side[aspect]))) for side in (a, b)]
    return "; ".join(said) or f"--a has {names[0]}; --b has {names[1]}"
