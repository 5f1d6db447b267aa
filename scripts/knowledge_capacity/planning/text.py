"""A plan in words, as Markdown: what it takes, what it tells, and what it gives up."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..console import duration
from . import choose
from .needs import Need
from .rates import Rates

NEVER = (
    "What no choice of this study's models could tell, as long as the paper's law holds: datasets would limit all "
    "models (larger ones would help), or what they are to be compared with is not part of the study:"
)


@dataclass(frozen=True)
class Told:
    """What is told of. command: that runs the plan. whole: seconds of the whole study with its own seeds."""

    plan: choose.Plan
    wanted: Sequence[Need]
    rates: Rates
    hours: float
    at_once: int
    command: str
    whole: float


def told(about: Told, machines: Sequence[int]) -> str:
    """The text. machines: for how many the time of the whole study is said."""
    plan, wanted, factor = about.plan, about.wanted, about.rates.factor()
    seconds = plan.seconds / about.at_once
    runs = sum(n * len(cell.runs) for cell, n in plan.seeds.items())
    best = f"no plan is worth {choose.GAP:.0%} more"
    if not plan.optimal:
        best = "a better one may exist: the solver ran out of time"
    lines = [
        f"# A plan for {about.hours:g} hours",
        "",
        f"On {about.rates.device}, {about.at_once} at once; costs learned from {about.rates.runs} timings.",
        "",
        f"* **It takes** {duration(seconds)} (nine times of ten {duration(seconds / factor)} to "
        f"{duration(seconds * factor)}): {runs} runs, those that are measured already included.",
        f"* **It tells** {len(plan.judged)} of {len(wanted)} claims, by two seeds or more ({best}).",
        f"* **To run it:** `{about.command}`",
        "",
        "| claim | models | seeds of each | machine time |",
        "| --- | ---: | ---: | ---: |",
    ]
    for need in plan.judged:
        seeds = sorted(plan.seeds[cell] for cell in need.cells if cell in plan.seeds)
        spent = sum(cell.seconds * plan.seeds.get(cell, 0) for cell in need.cells)
        span = f"{seeds[0]} to {seeds[-1]}" if seeds[0] < seeds[-1] else f"{seeds[0]}"
        cells = [
            f"{need.experiment}: {need.claim.name}",
            f"{len(seeds)} of {len(need.cells)}",
            span,
            duration(spent),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "Runs that serve several claims are made once, and counted with each.", ""]
    given_up = [need for need in wanted if need not in plan.judged]
    dear, never = [need for need in given_up if need.least], [need for need in given_up if not need.least]
    if dear:
        lines += ["Given up, with the machine time that each takes by itself:", ""]
        for need in dear:
            lines.append(f"* {need.experiment}: {need.claim.name}: {duration(need.seconds)}")
        lines.append("")
    if never:
        lines += [NEVER, "", *(f"* {need.experiment}: {need.claim.name}" for need in never), ""]
    longest = max(cell.seconds / len(cell.runs) for need in wanted for cell in need.cells)
    spans = ", ".join(f"{duration(max(about.whole / n, longest))} on {n}" for n in machines)
    lines.append(f"The whole study with its own seeds: {spans} (its longest run: {duration(longest)}).")
    return "\n".join(lines) + "\n"
