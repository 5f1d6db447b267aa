"""The headline: how many parameters hold a corpus, from a measured capacity.

The claim of Allen-Zhu & Li 2024 (arXiv 2404.05405): English Wikipedia has 4.5 billion words, and textbooks
have at most 16 billion. Together these hold fewer than 14 billion bits of knowledge, which at 2 bits per
parameter is a model of 7 billion. How many bits of knowledge a word holds is not measured there, nor here.
The claim amounts to 14 / 20.5 = 0.68 bits a word, and this is what `BITS_PER_WORD` takes over. For
comparison: a biography of bioS tells nothing but facts that cannot be guessed, and holds about 0.8 (58 bits
in 73 tokens).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from .intervals import Interval

WORDS = {"English Wikipedia": 4.5e9, "textbooks": 16e9}
BITS_PER_WORD = 14e9 / 20.5e9
DENSITIES = (BITS_PER_WORD / 2, BITS_PER_WORD * 2)  # our range for an assumption that nobody has measured


@dataclass(frozen=True)
class Corpus:
    """Text to be held. words: how many there are, or None where its bits are given. bits: of knowledge."""

    name: str
    bits: float
    words: float | None = None

    @property
    def bits_per_word(self) -> float | None:
        return self.bits / self.words if self.words else None


def required_parameters(bits: float, capacity: Interval) -> Interval:
    """How many parameters hold so many bits; infinite where the capacity has no lower end above zero."""
    low = bits / capacity.high
    high = bits / capacity.low if capacity.low > 0 else math.inf
    return Interval(bits / capacity.mean, low, high)


def describe_estimate(
    corpus: Corpus, densities: tuple[float, float], capacity: Interval, sizes: tuple[float, float] | None
) -> str:
    """The answer in words. sizes: the smallest and largest model measured; None for an assumed capacity."""
    wanted = required_parameters(corpus.bits, capacity)
    bits = f"{_format_large(corpus.bits)} bits of knowledge"
    lines = [f"{corpus.name}: {bits}."]
    if corpus.words:
        said = f"{_format_large(corpus.words)} words, taken to hold {corpus.bits_per_word:z.2f} bits of knowledge each"
        lines = [f"{corpus.name}: {said} (assumed, not measured): {bits}."]
    lines.append(
        f"At {_format_interval(capacity, '{:.3g}'.format)} bits per parameter, "
        f"{_format_parameters(wanted)} would hold them."
    )
    if corpus.words:
        ends = [
            _format_parameters(required_parameters(density * corpus.words, capacity)) for density in densities
        ]
        lines.append(f"At {densities[0]:z.2f} bits a word, {ends[0]}; at {densities[1]:z.2f}, {ends[1]}.")
    if sizes:
        far = wanted.mean / sizes[1]
        span = " to ".join(dict.fromkeys(f"{size:z,.0f}" for size in sizes))
        lines.append(f"Measured were models of {span} parameters.")
        if far > 1:
            lines.append(
                f"The answer lies about {_format_factor(far)} times beyond the largest. Its interval is that of the "
                "measured capacity, and does not cover whether the capacity stays the same so far out."
            )
    return "\n".join(lines)


def _format_interval(value: Interval, show: Callable[[float], str]) -> str:
    if value.low == value.high:
        return show(value.mean)
    return f"{show(value.mean)} ({show(value.low)} to {show(value.high)})"


def _format_parameters(wanted: Interval) -> str:
    return f"{_format_interval(wanted, _format_large)} parameters"


def _format_large(count: float) -> str:
    """24200000000 → 24.2 billion."""
    for size, word in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if count >= size:
            return f"{count / size:.3g} {word}"
    return f"{count:z,.0f}"


def _format_factor(factor: float) -> str:
    """1711790 → 1.7 million, 23456 → 23,000, 1.53 → 1.5: two figures."""
    rounded = float(f"{factor:.2g}")
    return _format_large(rounded) if rounded >= 10 else f"{rounded:g}"
