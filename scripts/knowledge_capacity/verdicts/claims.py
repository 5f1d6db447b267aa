"""What the paper claims, and what measurements say of it, by a rule that was stated before any run.

A claim is that a quantity lies between two bounds. They leave room for a tenth either way beyond what the paper
says (TOLERANCE), since word lists, templates and tokenizer are ours. The quantity is measured with its 95 %
interval over seeds and people, and the rule is
    the whole interval between the bounds           the claim holds
    the whole interval outside of them              it fails
    anything else                                   open: more seeds would narrow the interval
    fewer than two seeds                            open: the interval knows nothing of other seeds
    a dataset too small for a model (R ≥ 0.9 R_max) open, where more people could still change the answer
    the most is too little, and of the largest      open: of the models whose datasets suffice none is larger, so that
    model that was measured                         larger ones may store more
A claim is judged at two scales. At the paper's, models and datasets are at least as large as its smallest
(LEAST_PARAMETERS, LEAST_PEOPLE), and the claim is reproduced, or not. Below that the paper claims nothing, so smaller
models have a finding of their own: a sentence that their interval decides (`sentences`), by two seeds or more and
unless a dataset limits a model. The verdicts are
    reproduced, not reproduced   the claim holds, or fails, at the paper's scale
    found                        else: an interval at either scale decides a sentence
    undecided                    else: it was measured
    not measured                 else
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import pandas as pd

from ..figures import style
from ..statistics.compare import capacity_ratio
from ..statistics.intervals import Interval, independent_ratio, interval_over_seeds
from ..statistics.peaks import peak_interval
from ..statistics.spread import log_ratio_prior
from .sentences import Sentence

TOLERANCE = 1.1
LEAST_PARAMETERS = 250_000  # GPT-2 of one layer and one head, with the tokens of biographies
LEAST_PEOPLE = 10_000
LEAST_SEEDS = 2
MODEL = ["dataset", "architecture", "recipe", "variant"]

Here = Literal["holds", "fails", "open"]
Verdict = Literal["reproduced", "not reproduced", "found", "undecided", "not measured"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)  # in the order of a scorecard
AT_SCALE: dict[Here, Verdict] = {"holds": "reproduced", "fails": "not reproduced", "open": "undecided"}


class NotMeasured(Exception):
    """What a claim is about was not measured; the message says what."""


@dataclass(frozen=True)
class Reading:
    """A measured quantity.

    seeds: the fewest behind any part of it. n_parameters: of the smallest and the largest model. n_people: of
    the smallest dataset. more, less: whether larger datasets could make it larger, or smaller.
    models: of what it was read, in words. rising: whether it is the most of several models, and of the largest of those
    that no dataset limits. cells: the seeds of each model behind it, whose further seeds would narrow it.
    """

    value: Interval
    seeds: int
    n_parameters: tuple[float, float]
    n_people: int
    more: bool
    less: bool
    models: str
    rising: bool = False
    cells: tuple[pd.DataFrame, ...] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True)
class Claim:
    """One claim: in words, as the paper puts it, what is measured for it, and between which bounds that must lie.

    sentence: what is said of the quantity whatever the paper claims, if its interval decides it; None where that
    would say nothing of small models.
    """

    name: str
    paper: str
    quantity: str
    low: float
    high: float
    measure: Callable[[pd.DataFrame], Reading]
    sentence: Sentence | None = None

    @property
    def bounds(self) -> str:
        """The bounds in words."""
        low, high = style.format_significant(self.low), style.format_significant(self.high)
        if math.isinf(self.high):
            return f"at least {low}"
        return f"at most {high}" if self.low <= 0 else f"{low} to {high}"

    def open_to_more_people(self, found: Reading) -> bool:
        """Whether larger datasets could take a quantity between the bounds out of them."""
        return (found.more and not math.isinf(self.high)) or (found.less and self.low > 0)


@dataclass(frozen=True)
class Finding:
    """What measurements say of a claim. here: at the scale measured. why: what stands against more.

    sentence: what is found. smaller: what models below the paper's scale say, where larger ones have been read.
    """

    claim: Claim
    reading: Reading | None
    here: Here
    verdict: Verdict
    why: str
    sentence: str | None = None
    smaller: "Finding | None" = None

    @property
    def at_scale(self) -> bool:
        """Whether it was read at the paper's scale."""
        return self.reading is not None and _is_at_scale(self.reading)


def judge_claim(claim: Claim, rows: pd.DataFrame) -> Finding:
    """The finding on a claim by the rule above. rows: measurements of its experiment, perhaps none."""
    large = (rows.n_parameters >= LEAST_PARAMETERS) & (rows.n_people >= LEAST_PEOPLE)
    found, _ = _measure_claim(claim, rows[large])
    if found and found.seeds >= LEAST_SEEDS:
        first = _judge_reading(claim, found)
        small, _ = _measure_claim(claim, rows[~large])
        second = _judge_reading(claim, small) if small and small.seeds >= LEAST_SEEDS else None
        if first.verdict == "undecided" and second and second.verdict == "found":
            return replace(first, verdict="found", smaller=second)
        return replace(first, smaller=second)
    found, missing = _measure_claim(claim, rows)
    if not found:
        return Finding(claim, None, "open", "not measured", f"not measured{missing}")
    return _judge_reading(claim, found)


def _judge_reading(claim: Claim, found: Reading) -> Finding:
    here, why = _compare_bounds(claim, found)
    limited = found.more or found.less  # then it tells of the dataset, and not of the model
    sentence = None
    if claim.sentence and found.seeds >= LEAST_SEEDS and not limited:
        sentence = claim.sentence(found.value)
    if not _is_at_scale(found):
        why = "; ".join(filter(None, [why, "scale too small"]))
        return Finding(claim, found, here, "found" if sentence else "undecided", why, sentence)
    verdict = AT_SCALE[here]
    return Finding(
        claim, found, here, "found" if verdict == "undecided" and sentence else verdict, why, sentence
    )


def _is_at_scale(found: Reading) -> bool:
    return found.n_parameters[0] >= LEAST_PARAMETERS and found.n_people >= LEAST_PEOPLE


def _measure_claim(claim: Claim, rows: pd.DataFrame) -> tuple[Reading | None, str]:
    """What a claim is about, or else why it is not there."""
    try:
        return (claim.measure(rows) if len(rows) else None), ""
    except NotMeasured as missing:
        return None, f": {missing}"


def _compare_bounds(claim: Claim, found: Reading) -> tuple[Here, str]:
    value = found.value
    if found.seeds < LEAST_SEEDS:
        return "open", "too few seeds: one"
    if value.low >= claim.low and value.high <= claim.high:
        if claim.open_to_more_people(found):
            return "open", "data-limited: larger datasets could change it"
        return "holds", ""
    if value.high < claim.low:
        if found.more:
            return "open", "data-limited: larger datasets could raise it"
        if found.rising:
            return "open", "larger models may store more: the largest stores most"
        return "fails", ""
    if value.low > claim.high:
        return ("open", "data-limited: larger datasets could lower it") if found.less else ("fails", "")
    return "open", "too few seeds: the interval reaches across a bound"


def select_rows(rows: pd.DataFrame, **fields: Any) -> pd.DataFrame:
    """The rows with these values in these columns. Raises Missing where there are none."""
    for column, value in fields.items():
        rows = rows[rows[column] == value]
        if rows.empty:
            raise NotMeasured(", ".join(f"{name} {one}" for name, one in fields.items()))
    return rows


def model_reading(rows: pd.DataFrame) -> Reading:
    """R of one model. rows: its seeds."""
    first = rows.iloc[0]
    p = float(rows.n_parameters.mean())
    name = f"{first.architecture}, {first.kind} of {style.format_with_suffix(first.n_people)}"
    limited = _is_data_limited(rows)
    seeds = rows.seed.nunique()
    return Reading(capacity_ratio(rows), seeds, (p, p), first.n_people, limited, False, name, cells=(rows,))


def _is_data_limited(rows: pd.DataFrame) -> bool:
    """Whether the dataset limits most seeds of a model."""
    return bool(rows.data_limited.astype(bool).mean() > 0.5)


def find_peak(rows: pd.DataFrame, of: int = 1, **fields: Any) -> tuple[Reading, pd.DataFrame]:
    """The model whose mean R over seeds is highest, of those with these values in these columns; and its rows.

    Its interval is that of the highest of all of them, which allows for the choice (`peak_interval`). Of models with
    several seeds where there are any, since one seed may be lucky. of: how many peaks there are, where a claim takes
    one of them. Raises NotMeasured for none.
    """
    groups = [group for _, group in _prefer_several_seeds(select_rows(rows, **fields)).groupby(MODEL)]
    best = max(groups, key=lambda group: float(group.capacity_ratio.mean()))
    found = replace(model_reading(best), value=peak_interval(groups, of))
    sizes = [float(group.n_parameters.mean()) for group in groups if not _is_data_limited(group)]
    return replace(found, rising=found.more or found.n_parameters[1] >= max(sizes)), best


def _prefer_several_seeds(rows: pd.DataFrame) -> pd.DataFrame:
    """Models with several seeds, or all where there are none."""
    seeds = rows.groupby(MODEL).seed.transform("nunique")
    return rows[seeds >= LEAST_SEEDS] if (seeds >= LEAST_SEEDS).any() else rows


def compare_peaks(a: pd.DataFrame, b: pd.DataFrame) -> Reading:
    """The highest R of some models over that of others, both on equally many people, since R grows with these.

    Raises Missing where they share no number of people, or one of them learned nothing.
    """
    for one, other in ((_prefer_several_seeds(a), _prefer_several_seeds(b)), (a, b)):
        if both := set(one.n_people) & set(other.n_people):
            return peak_ratio(
                find_peak(one[one.n_people.isin(both)]), find_peak(other[other.n_people.isin(both)])
            )
    raise NotMeasured("the two on equally many people")


def peak_ratio(a: tuple[Reading, pd.DataFrame], b: tuple[Reading, pd.DataFrame]) -> Reading:
    """R of a over R of b, two peaks, with its interval. Raises Missing where one of them learned nothing.

    Of variants of the same runs, the spread of the ratio over seeds counts, since seeds move both alike. Else the
    interval follows from those of a and b, taken as independent, on a logarithmic scale (the method of variance
    estimates recovery, Zou & Donner 2008).
    """
    (one, rows), (other, others) = a, b
    if min(one.value.mean, other.value.mean) <= 0:
        raise NotMeasured("a ratio, since one of them learned nothing")
    if (
        sorted(rows.run) == sorted(others.run)
        and min(rows.capacity_ratio.min(), others.capacity_ratio.min()) > 0
    ):
        both = rows.set_index("run").capacity_ratio / others.set_index("run").capacity_ratio
        logs = [math.log(value) for value in both]
        prior = log_ratio_prior(rows, others, same_runs=True)
        value = Interval(*map(math.exp, interval_over_seeds(logs, [0.0] * len(logs), prior)))
    else:
        value = independent_ratio(one.value, other.value)
    return Reading(
        value,
        min(one.seeds, other.seeds),
        parameter_range([one, other]),
        min(one.n_people, other.n_people),
        one.more,
        other.more,
        one.models if one.models == other.models else f"{one.models} and {other.models}",
        cells=(*one.cells, *other.cells),
    )


def pairs_reading(value: Interval, pairs: Sequence[tuple[pd.DataFrame, pd.DataFrame]]) -> Reading:
    """A ratio that was read of pairs of models, a over b. pairs: the seeds of both."""
    above, below = ([model_reading(side) for side in sides] for sides in zip(*pairs, strict=True))
    both = [*above, *below]
    return Reading(
        value,
        min(one.seeds for one in both),
        parameter_range(both),
        min(one.n_people for one in both),
        any(one.more for one in above),
        any(one.more for one in below),
        f"{len(pairs)} {'pair' if len(pairs) == 1 else 'pairs'} of models",
        cells=tuple(side for pair in pairs for side in pair),
    )


def parameter_range(readings: Sequence[Reading]) -> tuple[float, float]:
    """The sizes of the smallest and the largest model."""
    return min(r.n_parameters[0] for r in readings), max(r.n_parameters[1] for r in readings)
