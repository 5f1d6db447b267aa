"""A plan in words: what it takes, what it tells, and what it gives up. In full as Markdown, in short for a terminal."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..console import count_noun, format_rough_duration
from ..costs.rates import Rates
from . import choose
from .cells import study_seconds
from .needs import ClaimNeed, PlannedCell

WIDTH = 100
BEST = f"No other choice judges more claims, or narrows their intervals by {choose.GAP:.0%} more."
OUT_OF_TIME = "The solver ran out of time, so there may be a better choice."
NEVER = (
    "whatever is run of this study: by the paper's law its models would learn all that its datasets hold (more people "
    "would help), or it lacks the models to compare with"
)


@dataclass(frozen=True)
class PlanReport:
    """What is told of. command: that runs the plan. whole: the seeds of each cell that the study itself has.

    measured: how many of the chosen runs are measured already. remark: on where the timings come from.
    """

    plan: choose.Plan
    wanted: Sequence[ClaimNeed]
    rates: Rates
    hours: float
    at_once: int
    command: str
    whole: Mapping[PlannedCell, Sequence[int]]
    measured: int = 0
    remark: str = ""

    @property
    def dear(self) -> list[ClaimNeed]:
        """The claims that the hours do not suffice for."""
        return [need for need in self.wanted if need.least and need not in self.plan.judged]

    @property
    def never(self) -> list[ClaimNeed]:
        """The claims that no choice would suffice for."""
        return [need for need in self.wanted if not need.least and need not in self.plan.judged]

    @property
    def cost(self) -> str:
        """How many runs there are, and how long they take."""
        seeds, factor = self.plan.seeds, self.rates.factor()
        runs = sum(len(own) * len(cell.runs) for cell, own in seeds.items())
        each = _format_span([len(own) for own in seeds.values()])
        least, likely, most = map(
            format_rough_duration,
            (self.plan.seconds / factor, self.plan.seconds, self.plan.seconds * factor),
        )
        there = f" ({self.measured} are measured already)" if self.measured else ""
        return (
            f"{count_noun(runs, 'run')}{there} of {count_noun(len(seeds), 'model')}, {each} seeds each. They "
            f"take about {likely} with {self.at_once} at once; nine times of ten, {least} to {most}."
        )


def plan_summary(about: PlanReport, file: Path) -> str:
    """The plan for a terminal. file: where it stands in full."""
    judged = about.plan.judged
    lines = [_wrap(f"Chosen: {about.cost}"), *([about.remark] if about.remark else []), ""]
    lines += [f"{len(judged)} of {len(about.wanted)} claims can then be judged:", *map(_claim_line, judged)]
    if about.dear:
        lines += ["", "Given up, with the machine time that each takes by itself:"]
        lines += [_claim_line(need, f" ({format_rough_duration(need.seconds)})") for need in about.dear]
    if about.never:
        stay = "stays" if len(about.never) == 1 else "stay"
        lines += ["", _wrap(f"{len(about.never)} {stay} open {NEVER}.")]
    lines += ["", "To run it:", "  source .venv/bin/activate", f"  {about.command}", ""]
    return (
        "\n".join([*lines, f"All claims, models and seeds: {file}. How runs are chosen: docs/planning.md."])
        + "\n"
    )


def plan_text(about: PlanReport, machines: Sequence[int]) -> str:
    """The plan in full, as Markdown. machines: for how many the time of the whole study is said."""
    plan = about.plan
    lines = [
        f"# A plan for {about.hours:g} hour{'' if about.hours == 1 else 's'}",
        "",
        f"Timings: {about.rates.runs}, of {about.rates.device}. {stack_note(about)}",
        "",
        f"* **Chosen:** {about.cost}",
        f"* **It tells** {len(plan.judged)} of {len(about.wanted)} claims, by two seeds or more. "
        f"{BEST if plan.optimal else OUT_OF_TIME}",
        f"* **To run it,** after `source .venv/bin/activate`: `{about.command}`",
        "",
        "| claim | models | seeds of each | machine time |",
        "| --- | ---: | ---: | ---: |",
    ]
    for need in plan.judged:
        seeds = [len(plan.seeds[cell]) for cell in need.cells if cell in plan.seeds]
        spent = sum(cell.whole_seconds(len(plan.seeds.get(cell, ()))) for cell in need.cells)
        cells = [
            f"{need.experiment}: {need.claim.name}",
            f"{len(seeds)} of {len(need.cells)}",
            _format_span(seeds),
            format_rough_duration(spent),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "Runs that serve several claims are made once, and counted with each.", ""]
    if about.dear:
        lines += ["Given up, with the machine time that each takes by itself:", ""]
        for need in about.dear:
            lines.append(f"* {need.experiment}: {need.claim.name}: {format_rough_duration(need.seconds)}")
        lines.append("")
    if about.never:
        named = [f"* {need.experiment}: {need.claim.name}" for need in about.never]
        lines += [f"These stay open {NEVER}:", "", *named, ""]
    whole = study_seconds(about.whole)
    longest = max(cell.whole_seconds(len(seeds)) for cell, seeds in about.whole.items())
    spans = ", ".join(f"{format_rough_duration(max(whole / n, longest))} with {n}" for n in machines)
    lines.append(
        f"The whole study with its own seeds, so many cells at once: {spans} (its longest cell: "
        f"{format_rough_duration(longest)})."
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


def _format_span(counts: Sequence[int]) -> str:
    least, most = min(counts), max(counts)
    return f"{least} to {most}" if least < most else f"{least}"


def _wrap(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_on_hyphens=False)


def _claim_line(need: ClaimNeed, more: str = "") -> str:
    return textwrap.fill(
        f"{need.experiment}: {need.claim.name}{more}",
        WIDTH,
        initial_indent="  * ",
        subsequent_indent="    ",
        break_on_hyphens=False,
    )
