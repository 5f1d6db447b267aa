"""Whether one side stores more bits per parameter than another: a ratio, its interval, a stated rule."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from ..console import count_noun
from .bootstrap import LEVEL
from .intervals import (
    Interval,
    f_test_p_value,
    interval_over_seeds,
    interval_over_units,
    standard_error,
)
from .one_sided import has_same_runs, ratio_lower_bound, ratio_upper_bound
from .pairing import Pair, Pairing
from .power import POWER, find_power
from .spread import log_ratio_prior, spread_prior

MOST_SEEDS = 10_000
MARGIN = 1.1
NOT = "not determined"
WIDE = 100.0  # an interval of a ratio whose ends are this many times apart is not worth its numbers


def capacity_ratio(rows: pd.DataFrame, level: float = (1 + LEVEL) / 2) -> Interval:
    """The mean R of the seeds of a model, and its interval. level: as in `interval_over_seeds`.

    With the columns of `add_spreads`, other cells of its kind help to tell how far seeds spread.
    """
    errors = standard_error(rows.bits_learned_low, rows.bits_learned_high) / rows.n_parameters
    return interval_over_seeds(list(rows.capacity_ratio), list(errors), spread_prior(rows), level)


def ratio_interval(units: Sequence[Pair]) -> Interval | None:
    """R of a over R of b, and its 95 % interval; None where one learned nothing.

    The mean, and the interval, are of the logarithm, seed by seed, since a seed gives both the same people;
    and over units by `interval_over_units`. Errors of people count as independent between a and b: too much, but what
    they share cannot be told from totals. Variants of one run share all of it, so that over several seeds the
    spread of seeds counts alone.
    """
    if any(map(_has_no_ratio, units)):
        return None
    shared = has_same_runs(units)
    errors = [[0.0 if shared else e for e in _log_ratio_errors(unit)] for unit in units]
    priors = [log_ratio_prior(unit.a, unit.b, shared) for unit in units]
    return Interval(*map(math.exp, interval_over_units(_log_ratios(units), errors, priors)))


def describe_run_counts(match: Pairing, a: str, b: str) -> str:
    """How many runs each side has, how many of them are compared, and why the others are not."""
    lines = []
    for i, (name, runs) in enumerate(zip((a, b), match.runs, strict=True)):
        gone = {reason: counts[i] for reason, counts in match.left_out.items() if counts[i]}
        said = "; ".join(f"{count} {reason}" for reason, count in gone.items())
        compared = runs - sum(gone.values())
        lines.append(
            f"{name}: {count_noun(runs, 'run')}, {compared} compared{f'. Left out: {said}' if said else ''}."
        )
    if match.lacking:
        lines.append(
            f"In {count_noun(match.lacking, 'pair')} the best learning rate of one side was not measured on the "
            "other: the best that both have counts."
        )
    return "\n".join(lines)


def describe_verdict(
    units: Sequence[Pair], a: str, b: str, margin: float = MARGIN, per: str = "parameter"
) -> str:
    """What the ratio says: a line of numbers, lines of words, and what to do where nothing is shown.

    "More" or "fewer" needs an interval without 1, by units that no dataset limits, and a unit among them that tells
    both sides from 0. Units in which one side learned nothing have no ratio, but a bound, and the interval of all
    units reaches as far as that. a, b: what the sides are called. margin: a ratio worth telling from 1.
    per: what R is bits per.
    """
    learned = [unit for unit in units if not _has_no_ratio(unit)]
    used = [unit for unit in learned if not _is_data_limited(unit.a, unit.b)]
    found = ratio_interval(used or learned) if learned else None
    without_a = [unit for unit in units if _has_learned_nothing(unit.a) and not _has_learned_nothing(unit.b)]
    without_b = [unit for unit in units if _has_learned_nothing(unit.b) and not _has_learned_nothing(unit.a)]
    upper, lower = (
        ratio_upper_bound(without_a) if without_a else 0.0,
        ratio_lower_bound(without_b) if without_b else math.inf,
    )
    low = 0.0 if without_a else min(found.low if found else math.inf, lower)
    high = math.inf if without_b else max(found.high if found else 0.0, upper)
    if not found and (not (without_a or without_b) or (low == 0 and math.isinf(high))):
        return "There is no ratio: one of them learned nothing. Train longer, or make the model larger."
    whole = Interval(found.mean if found else math.nan, low, high)
    counted = used or learned or without_a or without_b
    number = count_noun(max(unit.seeds for unit in counted), "seed")
    number += f", {len(counted)} pairs of models" if len(counted) > 1 else ""
    lines = []
    if found:
        mean, *ends = map(format_near_one, found)
        both = ", where both learned something" if without_a or without_b else ""
        known = f"95 % interval {' to '.join(ends)}"
        if _is_wide(found) and found.low <= 1 <= found.high:
            known = f"{NOT}: the ends of its 95 % interval lie more than {WIDE:z.0f} times apart"
        lines.append(f"ratio of {a} to {b}: {mean}, {known} ({number}{both})")
    for nothing, who, told in (
        (without_a, a, _format_upper_bound(upper)),
        (without_b, b, _format_lower_bound(lower)),
    ):
        if nothing:
            lines.append(
                f"In {count_noun(len(nothing), 'pair')} {who} learned nothing, with some seed at least: "
                f"the ratio there is {told}."
            )
    differ: dict[str, dict[str, None]] = {}  # by field, the pairs of values in order
    for unit in units:
        for one, values in unit.apart.items():
            differ.setdefault(one, {})[" and ".join(values)] = None
    if differ:
        said = ", ".join(f"{one} ({'; '.join(values)})" for one, values in sorted(differ.items()))
        lines.append(f"They differ in {said} as well.")
    if used and len(learned) > len(used):
        lines.append(f"Left out: {count_noun(len(learned) - len(used), 'pair')} that the dataset limits.")
    if neither := sum(_has_learned_nothing(unit.a) and _has_learned_nothing(unit.b) for unit in units):
        lines.append(f"Left out: {count_noun(neither, 'pair')} where each of them learned nothing.")
    if f_test_p_value(_log_ratios(used)) < 1 - LEVEL:
        lines.append(
            "The ratio differs from pair to pair by more than seeds do: it is their mean, and no law."
        )
    return "\n".join([*lines, *_describe_decision(used, learned or counted, whole, a, b, margin, per)])


def _describe_decision(
    used: Sequence[Pair], learned: Sequence[Pair], found: Interval, a: str, b: str, margin: float, per: str
) -> list[str]:
    where = "In this setting"
    lines = []
    if max(unit.seeds for unit in learned) == 1:
        lines.append(
            "With one seed, only published models of its kind, if there are any, tell how far other seeds lie."
        )
        where = "With this seed, and perhaps not with another,"
    if not used and not any(map(_has_no_ratio, learned)):
        sides = ((a, [u.a for u in learned]), (b, [u.b for u in learned]))
        which = " and ".join(name for name, rows in sides if any(map(_is_data_limited, rows)))
        return [
            *lines,
            f"No verdict: the dataset is too small for {which}. Use a larger dataset or smaller model.",
        ]
    small = found.low > 0 and max(found.high, 1 / found.low) < margin
    if found.low > 1 or found.high < 1:
        unsure = [
            [name for name, side in ((a, unit.a), (b, unit.b)) if capacity_ratio(side).low <= 0]
            for unit in used
        ]
        # by pairs in which one side surely has more than 0
        bounded = found.low == 0 or math.isinf(found.high)
        if all(unsure) and not bounded:
            which = " and ".join(name for name in (a, b) if any(name in names for names in unsure))
            return [
                *lines,
                f"Not determined: the interval of {which} holds 0. More seeds make it narrower.",
            ]
        more = "more" if found.low > 1 else "fewer"
        size = f", by less than a factor of {margin:g}" if small else ""
        return [*lines, f"{where} {a} stores {more} bits per {per} than {b}{size}."]
    if small:
        return [
            *lines,
            f"No difference is shown: the interval holds 1. If there is one, it is below {margin:g}.",
        ]
    if found.low == 0 or math.isinf(found.high):
        return [
            *lines,
            "No difference is shown: with the pairs in which one of them learned nothing, the ratio may be 1.",
        ]
    lines.append("No difference is shown: the interval holds 1. More seeds make it narrower.")
    if needed := seeds_needed(used, margin):
        lines.append(
            f"If seeds spread as these do, about {needed} of them tell a true ratio of {margin:g} from 1 "
            f"in {100 * POWER:z.0f} % of studies."
        )
    return lines


def seeds_needed(units: Sequence[Pair], margin: float) -> int | None:
    """How many seeds tell a true ratio of `margin` from 1 in POWER of all studies, by the t test's power.

    None where there is one seed, and the spread is not known, or where more than MOST_SEEDS are needed.
    """
    logs = _log_ratios(units)
    freedom = sum(map(len, logs)) - len(logs)
    if not freedom:
        return None
    spread = math.sqrt(sum(float(np.var(unit)) * len(unit) for unit in logs) / freedom)

    def power(seeds: int) -> float:
        shift = abs(math.log(margin)) * math.sqrt(seeds * len(units)) / max(spread, 1e-12)
        return find_power(shift, len(units) * (seeds - 1))

    if spread < abs(math.log(margin)) * 1e-3:
        return 2
    low, high = 1, MOST_SEEDS
    if power(high) < POWER:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle) >= POWER else (middle, high)
    return high


def format_pair_table(units: Sequence[Pair], sizes: str = "parameters") -> str:
    """A line for each unit: what it is, its sizes and R of both sides with intervals, and their ratio."""
    cells = [["", sizes, "R of a [95 %]", "R of b [95 %]", "ratio a / b [95 %]", "seeds", ""]]
    for name, unit in zip(_name_pairs(units), units, strict=True):
        counts = [f"{side.n_parameters.mean():z,.0f}" for side in (unit.a, unit.b)]
        both_sizes = " and ".join(dict.fromkeys(counts))
        found = None if _has_no_ratio(unit) else ratio_interval([unit])
        limited = [side for side, rows in (("a", unit.a), ("b", unit.b)) if _is_data_limited(rows)]
        nothing = [side for side, rows in (("a", unit.a), ("b", unit.b)) if _has_learned_nothing(rows)]
        notes = {"learned nothing": nothing, "data-limited": limited}
        note = "; ".join(f"{what}: {' and '.join(sides)}" for what, sides in notes.items() if sides)
        both = [_format_interval(capacity_ratio(side)) for side in (unit.a, unit.b)]
        shown = _format_ratio(unit, found)
        cells.append([name, both_sizes, *both, shown, str(unit.seeds), note])
    return align_columns(cells)


def align_columns(cells: list[list[str]]) -> str:
    """Cells in columns, the first one to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for first, *rest in cells:
        others = (cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))
        lines.append("  ".join([first.ljust(widths[0]), *others]).rstrip())
    return "\n".join(lines)


def format_decimals(value: float) -> str:
    """0.004, 0.543, 12.3, 1230: three figures or three decimals, whichever is shorter."""
    return f"{value:z.3f}" if abs(value) < 10 else f"{value:z.1f}" if abs(value) < 100 else f"{value:z.0f}"


def format_near_one(ratio: float) -> str:
    """As `format_decimals`, but with as many as tell a ratio from 1, since on which side it lies decides."""
    shown, places = format_decimals(ratio), 4
    while float(shown) == 1 != ratio and places < 16:
        shown, places = f"{ratio:z.{places}f}", places + 1
    return shown


def _name_pairs(units: Sequence[Pair]) -> list[str]:
    """What tells the units from each other, in short where that suffices."""
    varying = [key for key in units[0].shared if len({unit.shared[key] for unit in units}) > 1]
    exact = [", ".join(unit.shared[key] for key in varying) for unit in units]
    short = []
    for unit in units:
        row = unit.a.iloc[0]
        brief = {"dataset": f"{row.kind} {row.n_people}", "recipe": f"{row.exposures} exposures"}
        plain = ("architecture", "variant")
        short.append(
            ", ".join(
                brief.get(key, unit.shared[key] if key in plain else f"{key} {unit.shared[key]}")
                for key in varying
            )
        )
    return short if len(set(short)) == len(units) else exact


def _format_ratio(unit: Pair, found: Interval | None) -> str:
    """The ratio of a unit with its interval, or a bound where one side learned nothing."""
    if found:
        return (
            f"{format_near_one(found.mean)} [{NOT}]"
            if _is_wide(found)
            else _format_interval(found, format_near_one)
        )
    if _has_learned_nothing(unit.a) and _has_learned_nothing(unit.b):
        return NOT
    return (
        _format_lower_bound(ratio_lower_bound([unit]))
        if _has_learned_nothing(unit.b)
        else _format_upper_bound(ratio_upper_bound([unit]))
    )


def _is_wide(found: Interval) -> bool:
    return found.high > WIDE * found.low


def _format_upper_bound(bound: float) -> str:
    return f"at most {format_near_one(bound)}" if bound < math.inf else NOT


def _format_lower_bound(bound: float) -> str:
    if math.isinf(bound):
        return "beyond any number"
    return f"at least {format_near_one(bound)}" if bound else NOT


def _log_ratios(units: Sequence[Pair]) -> list[list[float]]:
    return [
        [math.log(a / b) for a, b in zip(unit.a.capacity_ratio, unit.b.capacity_ratio, strict=True)]
        for unit in units
    ]


def _log_ratio_errors(unit: Pair) -> list[float]:
    """The standard error of each seed's logarithm from its people."""
    sides = [
        standard_error(side.bits_learned_low, side.bits_learned_high) / side.bits_learned
        for side in (unit.a, unit.b)
    ]
    return [float(x) for x in np.hypot(*(side.to_numpy() for side in sides))]


def _is_data_limited(*sides: pd.DataFrame) -> bool:
    return any(bool(side.data_limited.any()) for side in sides)


def _has_no_ratio(unit: Pair) -> bool:
    return _has_learned_nothing(unit.a) or _has_learned_nothing(unit.b)


def _has_learned_nothing(side: pd.DataFrame) -> bool:
    """Whether some seed of it learned nothing, so that there is no logarithm."""
    return bool(side.capacity_ratio.min() <= 0)


def _format_interval(found: Interval, show: Callable[[float], str] = format_decimals) -> str:
    return f"{show(found.mean)} [{show(found.low)}, {show(found.high)}]"
