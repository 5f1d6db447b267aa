"""What a reading says by itself, whatever the paper claims: a sentence where its interval decides something."""

import math
from dataclasses import dataclass
from typing import Protocol

from ..figures.style import format_significant
from ..statistics.intervals import Interval

ALIKE = 1.25  # an interval around 1, within this factor of it on both sides, says that two store as much
KNOWN = 2.0  # an interval whose ends are no more than this many times apart tells an amount


class Sentence(Protocol):
    """What is said of a quantity, and how near an interval is to saying it."""

    def __call__(self, value: Interval) -> str | None:
        """The sentence, or None where the interval decides nothing."""
        ...

    def half_width_wanted(self, mean: float) -> float:
        """How wide the interval of the logarithm may be, each way from a mean, for the sentence to be said."""
        ...


@dataclass(frozen=True)
class Comparison:
    """Of a ratio, a over b. verb, what: of "A stores 1.2 times as many bits per parameter as B"."""

    a: str
    b: str
    verb: str = "stores"
    what: str = "bits per parameter"

    def __call__(self, value: Interval) -> str | None:
        if not 0 < value.mean < math.inf:
            return None
        numbers = f"{format_significant(value.low)} to {format_significant(value.high)}"
        who = f"{self.a[0].upper()}{self.a[1:]} {self.verb}"
        if 0 < value.low <= 1 <= value.high and max(value.high, 1 / value.low) <= ALIKE:
            apart = math.ceil(round(100 * (max(value.high, 1 / value.low) - 1), 6))
            return f"{who} as many {self.what} as {self.b}, to within {apart} % ({numbers})."
        if value.low > 1 and math.isinf(value.high):
            return f"{who} at least {format_significant(value.low)} times as many {self.what} as {self.b}."
        if value.low > 1 or value.high < 1:
            mean = format_significant(value.mean)
            return f"{who} {mean} times as many {self.what} as {self.b} ({numbers})."
        return None

    def half_width_wanted(self, mean: float) -> float:
        apart = abs(math.log(mean)) if mean > 0 else 0.0
        return max(apart, math.log(ALIKE) - apart)


@dataclass(frozen=True)
class Difference:
    """Of a minus b. what: of "A stores 0.5 more bits per parameter than B"."""

    a: str
    b: str
    what: str = "bits per parameter"

    def __call__(self, value: Interval) -> str | None:
        if value.low <= 0 <= value.high:
            return None
        who = f"{self.a[0].upper()}{self.a[1:]}"
        more = "more" if value.low > 0 else "fewer"
        mean, low, high = (format_significant(abs(end)) for end in value)
        ends = f"{low} to {high}" if value.low > 0 else f"{high} to {low}"
        return f"{who} stores {mean} {more} {self.what} than {self.b} ({ends})."

    def half_width_wanted(self, mean: float) -> float:
        return math.log(2) if mean else 0.0  # half the mean or twice it is on the same side of zero


@dataclass(frozen=True)
class Amount:
    """Of a number of bits. text: a sentence with {} for it."""

    text: str

    def __call__(self, value: Interval) -> str | None:
        if not 0 < value.low <= value.high <= KNOWN * value.low:
            return None
        mean, low, high = map(format_significant, value)
        return self.text.format(f"{mean} ({low} to {high})")

    def half_width_wanted(self, mean: float) -> float:
        return math.log(KNOWN) / 2
