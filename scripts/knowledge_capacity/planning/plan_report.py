"""A plan in words, as Markdown: what it takes, what it tells, and what it gives up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..console import format_duration
from ..costs.rates import Rates
from . import choose
from .cells import study_seconds
from .needs import ClaimNeed, PlannedCell

NEVER = (
    "What no choice of this study's models could tell, as long as the paper's law holds: datasets would limit all "
    "models (larger ones would help), or what they are to be compared with is not part of the study:"
)


@dataclass(frozen=True)
class PlanReport:
    """What is told of. command: that runs the plan. whole: the seeds of each cell that the study itself has."""

    plan: choose.Plan
    wanted: Sequence[ClaimNeed]
    rates: Rates
    hours: float
    at_once: int
    command: str
    whole: Mapping[PlannedCell, Sequence[int]]


def plan_text(about: PlanReport, machines: Sequence[int]) -> str:
    """The text. machines: for how many the time of the whole study is said."""
    plan, wanted, factor = about.plan, about.wanted, about.rates.factor()
    seconds = plan.seconds
    runs = sum(len(own) * len(cell.runs) for cell, own in plan.seeds.items())
    best = f"no plan is worth {choose.GAP:.0%} more"
    if not plan.optimal:
        best = "a better one may exist: the solver ran out of time"
    lines = [
        f"# A plan for {about.hours:g} hour{'' if about.hours == 1 else 's'}",
        "",
        f"On {about.rates.device}, {about.at_once} at once; costs learned from {about.rates.runs} timings. "
        + stack_note(about),
        "",
        f"* **It takes** {format_duration(seconds)} (nine times of ten {format_duration(seconds / factor)} to "
        f"{format_duration(seconds * factor)}): {runs} runs, those that are measured already included.",
        f"* **It tells** {len(plan.judged)} of {len(wanted)} claims, by two seeds or more ({best}).",
        f"* **To run it,** after `source .venv/bin/activate`: `{about.command}`",
        "",
        "| claim | models | seeds of each | machine time |",
        "| --- | ---: | ---: | ---: |",
    ]
    for need in plan.judged:
        seeds = sorted(len(plan.seeds[cell]) for cell in need.cells if cell in plan.seeds)
        spent = sum(cell.whole_seconds(len(plan.seeds.get(cell, ()))) for cell in need.cells)
        span = f"{seeds[0]} to {seeds[-1]}" if seeds[0] < seeds[-1] else f"{seeds[0]}"
        cells = [
            f"{need.experiment}: {need.claim.name}",
            f"{len(seeds)} of {len(need.cells)}",
            span,
            format_duration(spent),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "Runs that serve several claims are made once, and counted with each.", ""]
    given_up = [need for need in wanted if need not in plan.judged]
    dear, never = [need for need in given_up if need.least], [need for need in given_up if not need.least]
    if dear:
        lines += ["Given up, with the machine time that each takes by itself:", ""]
        for need in dear:
            lines.append(f"* {need.experiment}: {need.claim.name}: {format_duration(need.seconds)}")
        lines.append("")
    if never:
        lines += [NEVER, "", *(f"* {need.experiment}: {need.claim.name}" for need in never), ""]
    whole = study_seconds(about.whole)
    longest = max(cell.whole_seconds(len(seeds)) for cell, seeds in about.whole.items())
    spans = ", ".join(f"{format_duration(max(whole / n, longest))} with {n}" for n in machines)
    lines.append(
        f"The whole study with its own seeds, so many cells at once: {spans} (its longest cell: "
        f"{format_duration(longest)})."
    )
    return "\n".join(lines) + "\n"


def stack_note(about: PlanReport) -> str:
    """What a further seed of a model costs there."""
    habit = about.rates.habit
    if habit.stack == 1:
        return (
            "Runs of a cell, which differ in seed and learning rate alone, are trained one after the other."
        )
    shares = sorted(
        (cell.whole_seconds(2) - one) / one for cell in about.whole for one in [cell.whole_seconds(1)]
    )
    return (
        f"Up to {habit.stack} runs of a cell, which differ in seed and learning rate alone, are trained in one step: a "
        f"second seed takes {shares[0]:.0%} to {shares[-1]:.0%} of what the first takes, half of them less than "
        f"{shares[len(shares) // 2]:.0%}."
    )
