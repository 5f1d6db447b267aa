"""What would decide an open claim: the cheapest step, with its hours and its command."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from ..costs.cost import h100_rates, measured_rates
from ..costs.rates import LAYERS, Rates, TrainingWork
from ..figures.style import format_significant
from ..files import UserError
from ..statistics.intervals import student_quantile
from ..verdicts.claims import Finding, Reading

MOST_SEEDS = 64  # more of them do not pay: a quantity so near a bound is better told by larger models


@dataclass(frozen=True)
class Step:
    """text: what would decide. seeds: how many each model has then. hours, gpu_hours: of a core and of an H100."""

    text: str
    seeds: int | None = None
    hours: float | None = None
    gpu_hours: float | None = None

    def command(self, experiment: str) -> str:
        """How to take it, in a study that has the experiment."""
        return f"make study SEEDS={self.seeds} ONLY={experiment}" if self.seeds else ""


def next_step(finding: Finding, processor: Rates | None) -> Step:
    """The cheapest step that would decide an open claim. processor: rates of the machine at hand, if known.

    More seeds narrow an interval; they do not help where a dataset limits a model, or where larger models may store
    more. An interval decides as soon as it lies on one side of the claim's bounds (at the paper's scale), or says its
    sentence. Halves of intervals shrink as Student's do with the square root of the number of seeds.
    """
    found = finding.reading
    if found is None:
        return Step("Measure it.")
    if "data-limited" in finding.why:
        return Step("The dataset limits the model: take more people, or a smaller model.")
    if "larger models may store more" in finding.why:
        return Step("The largest model stores most: take a larger one, on more people.")
    if not (finding.at_scale or finding.claim.sentence):
        return Step("It is told at the paper's scale alone: take larger models.")
    half, wanted = _half_width(found), _wanted_half_width(finding, found)
    if math.isinf(half):
        seeds = 2 * found.seeds if found.seeds > 1 else 3
        more = _count_more(seeds - found.seeds)
        text = f"One seed gives no interval: {more} would give one."
        if found.seeds > 1:
            text = f"{found.seeds} seeds give an interval without an end: {more} may give it two."
    else:
        seeds = _seeds_wanted(half, wanted, found.seeds)
        if seeds > MOST_SEEDS:
            return Step(f"It lies too near a bound for {MOST_SEEDS} seeds: take larger models.")
        left = found.value.mean * math.expm1(half * _shrinkage(found.seeds, seeds))
        more = _count_more(seeds - found.seeds)
        text = f"{more[0].upper()}{more[1:]} would narrow its interval to about ±{format_significant(left)}."
    hours = [_training_hours(found.cells, seeds - found.seeds, rates) for rates in (processor, h100_rates())]
    return Step(text, seeds, *hours)


def processor_rates(measurements: pd.DataFrame) -> Rates | None:
    """The rates of the processor that most of the measurements were made on; None where they tell none."""
    try:
        return measured_rates(measurements)
    except UserError:
        return None


def _half_width(found: Reading) -> float:
    """Half of the interval of the logarithm; infinite where that has no end."""
    low, high = found.value.low, found.value.high
    return math.log(high / low) / 2 if low > 0 and math.isfinite(high) else math.inf


def _wanted_half_width(finding: Finding, found: Reading) -> float:
    """How wide that may be, each way, to decide the claim at the paper's scale or to say the sentence."""
    mean, claim = found.value.mean, finding.claim
    if mean <= 0:
        return 0.0
    ways = [claim.sentence.half_width_wanted(mean)] if claim.sentence and not finding.sentence else []
    if finding.at_scale:
        bounds = [bound for bound in (claim.low, claim.high) if 0 < bound < math.inf]
        ways.append(min((abs(math.log(mean / bound)) for bound in bounds), default=0.0))
    return max(ways, default=0.0)


def _seeds_wanted(half: float, wanted: float, seeds: int) -> int:
    for more in range(seeds + 1, MOST_SEEDS + 1):
        if half * _shrinkage(seeds, more) <= wanted:
            return more
    return MOST_SEEDS + 1


def _shrinkage(before: int, after: int) -> float:
    """By what factor half of an interval shrinks with more seeds."""
    quantiles = [student_quantile(max(1, n - 1) + 4) for n in (before, after)]  # some are borrowed
    return math.sqrt(before / after) * quantiles[1] / quantiles[0]


def _count_more(more: int) -> str:
    return "one more seed" if more == 1 else f"{more} more seeds"


def _training_hours(cells: Sequence[pd.DataFrame], more: int, rates: Rates | None) -> float | None:
    """Of so many seeds more of each cell."""
    if not rates or not cells:
        return None
    seconds = 0.0
    for cell in cells:
        layers = cell.layers.fillna(LAYERS).astype(float)
        works = TrainingWork(
            float((cell.train_steps * (1 + layers)).mean()),
            float(cell.train_tokens.mean()),
            float(cell.train_flops.mean()),
        )
        seconds += rates.seconds(works)
    return more * seconds / 3600
