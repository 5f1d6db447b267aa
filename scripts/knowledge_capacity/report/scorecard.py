"""The scorecard: for each claim of the paper, what was measured, at which scale, and the verdict."""

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from ..console import format_rough_duration
from ..experiments._contract import load_experiment
from ..figures import style
from ..files import atomic_write, finite_or_none, write_json
from ..statistics.spread import learn_spreads
from ..verdicts import claims, sentences
from ..verdicts.claims import Finding, Reading
from . import next_step, writing
from .next_step import Step

COLUMNS = ("claim", "paper", "found", "verdict", "measured", "scale")
OPEN_COLUMNS = ("claim", "paper", "measured", "why", "step", "cost", "command", "scale")
HEADS = {
    "claim": "claim",
    "paper": "the paper says",
    "found": "what was found",
    "measured": "measured",
    "verdict": "verdict",
    "why": "what stands against a verdict",
    "step": "what would decide it",
    "cost": "cost",
    "command": "command",
    "scale": "scale",
}
RULE = " ".join(
    f"""Each claim is that a quantity lies between two bounds, which leave room for a factor of {claims.TOLERANCE:g}
    beyond what the paper says unless the claim has its own. At the paper's scale, which is models of
    {style.format_with_suffix(claims.LEAST_PARAMETERS)} parameters and datasets of
    {style.format_with_suffix(claims.LEAST_PEOPLE)} people or more, it is reproduced where the quantity's whole 95 %
    interval, over seeds and people, lies between the bounds, and not reproduced where the whole interval lies outside.
    It is open otherwise, with fewer than {claims.LEAST_SEEDS} seeds, where more people could change the answer because
    a dataset is too small for a model, and where the most is too little, but of the largest model. A finding is what an
    interval says by itself, at any scale: that one stores more than another, that two are alike to within a factor of
    {sentences.ALIKE:g}, or an amount to within a factor of {sentences.KNOWN:g} from end to end.""".split()
)
COMMANDS = "A command is for the study that has the experiment: add STUDY=… unless it is the default one."
SECTIONS = (
    ("Decided", ("reproduced", "not reproduced", "found"), COLUMNS),
    ("Open, the cheapest to decide first", ("undecided",), OPEN_COLUMNS),
)


@dataclass(frozen=True)
class Entry:
    """A claim's line. number: of the paper's result, or None. files: of its figure and its numbers.

    step: what would decide it, where it is open.
    """

    experiment: str
    number: int | None
    finding: Finding
    files: dict[str, str]
    step: Step | None = None

    @property
    def name(self) -> str:
        return f"{self.number}. {self.finding.claim.name}" if self.number else self.finding.claim.name

    @property
    def told(self) -> Finding:
        """The finding that the whole line tells: where smaller models alone have found something, theirs."""
        found, smaller = self.finding, self.finding.smaller
        alone = found.verdict == "found" and not found.sentence
        return smaller if alone and smaller and smaller.sentence else found

    def texts(self) -> dict[str, str]:
        """The cells of COLUMNS and OPEN_COLUMNS."""
        found, reading = self.told, self.told.reading
        return {
            "claim": self.name,
            "paper": found.claim.paper,
            "found": found.sentence or "",
            "measured": f"{found.claim.quantity}: {_format_value(reading)} (claimed: {found.claim.bounds})"
            if reading
            else "",
            "here": found.here if reading else "",
            "verdict": found.verdict,
            "why": found.why,
            "scale": self._scale(),
            "step": self.step.text if self.step else "",
            "cost": _format_cost(self.step) if self.step else "",
            "command": self.step.command(self.experiment) if self.step else "",
        }

    def _scale(self) -> str:
        """Of what the line tells, and what is open about larger models, where it is about smaller ones."""
        if not self.told.reading:
            return ""
        scale = _format_scale(self.told.reading)
        if self.told is self.finding or not self.finding.reading:
            return scale
        large = self.finding.reading
        return f"{scale}; at the paper's scale open: {_format_value(large)} by {_format_scale(large)}"


def scorecard_entries(measurements: pa.Table, experiments: Sequence[str], figures: str) -> list[Entry]:
    """A line for each claim of these experiments: decided ones first, then open ones by their cost.

    figures: the folder of figures.
    """
    found = []
    known = measurements.to_pandas()
    processor = next_step.processor_rates(known) if len(known) else None
    spreads = learn_spreads(known)
    for experiment in experiments:
        module = load_experiment(experiment)
        judged = module.claims
        rows = writing.experiment_rows(experiment, measurements, spreads) if judged else None
        files = {}
        if rows is not None and len(rows):
            files = {"figure": f"{figures}/{experiment}.png", "numbers": f"{figures}/{experiment}.md"}
        for claim in judged:
            finding = claims.judge_claim(claim, rows)
            step = next_step.next_step(finding, processor) if finding.verdict == "undecided" else None
            found.append(Entry(experiment, module.number, finding, files, step))
    return sorted(found, key=_order_entry)


def _order_entry(entry: Entry) -> tuple[int, float, int]:
    step = entry.step
    cost = step.hours if step and step.hours is not None else math.inf if step else 0.0
    verdict = entry.finding.verdict
    decided = SECTIONS[0][1]
    return (0 if verdict in decided else 1 + claims.VERDICTS.index(verdict)), cost, entry.number or 99


def write_scorecard(found: Sequence[Entry], output: Path, endings: Sequence[str]) -> None:
    """Write the scorecard as `writing` with these endings: json, md and html."""
    if "json" in endings:
        write_json(output.with_suffix(".json"), entries_to_json(found))
    for ending, text in (("md", format_markdown), ("html", format_page)):
        if ending in endings:
            with atomic_write(output.with_suffix(f".{ending}")) as aside:
                aside.write_text(text(found), encoding="utf-8")


def entries_to_json(found: Sequence[Entry]) -> list[dict[str, Any]]:
    """The scorecard for machines: cells, and the numbers behind them."""
    lines = []
    for entry in found:
        claim, reading = entry.told.claim, entry.told.reading
        numbers: dict[str, Any] = {}
        if reading:
            numbers = {
                "value": reading.value.mean,
                "low": reading.value.low,
                "high": reading.value.high,
                "seeds": reading.seeds,
                "n_parameters": list(reading.n_parameters),
                "n_people": int(reading.n_people),
                "models": reading.models,
            }
        bounds = [finite_or_none(claim.low), finite_or_none(claim.high)]
        if entry.step:
            numbers |= {"step_hours": entry.step.hours, "step_gpu_hours": entry.step.gpu_hours}
        of = {"experiment": entry.experiment, "result": entry.number, "bounds": bounds}
        lines.append(
            {**entry.texts(), **of, **{k: finite_or_none(v) for k, v in numbers.items()}, **entry.files}
        )
    return lines


def format_markdown(found: Sequence[Entry]) -> str:
    """The scorecard as tables, with the rule below them."""
    parts = [describe_verdicts(found)]
    for title, verdicts, columns in SECTIONS:
        entries = [entry for entry in found if entry.finding.verdict in verdicts]
        if not entries:
            continue
        shown = [name for name in columns if name != "paper"]
        lines = [[HEADS[name] for name in shown], ["---"] * len(shown)]
        for entry in entries:
            cells = entry.texts()
            if "figure" in entry.files:
                cells["claim"] = f"[{cells['claim']}]({entry.files['numbers']})"
            cells["claim"] += f"<br>*paper: {cells['paper']}*"
            cells["verdict"] = f"**{cells['verdict']}**"
            cells["command"] = f"`{cells['command']}`" if cells["command"] else ""
            lines.append([cells[name].replace("|", "\\|") for name in shown])
        table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
        parts.append(f"## {title}\n\n{table}")
        parts += [COMMANDS] if "command" in columns else []
    parts += [describe_rest(found)] if describe_rest(found) else []
    return "\n\n".join(part.rstrip("\n") for part in [*parts, RULE]) + "\n"


def format_page(found: Sequence[Entry]) -> str:
    """The scorecard as a page of its own."""
    tables = []
    for title, verdicts, columns in SECTIONS:
        entries = [entry for entry in found if entry.finding.verdict in verdicts]
        if not entries:
            continue
        heads = "".join(f'<th scope="col">{HEADS[name]}</th>' for name in columns)
        rows = "\n".join(_format_row(entry, columns) for entry in entries)
        tables.append(
            f"<h2>{title}</h2>\n<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>"
        )
        tables += [f"<p>{COMMANDS}</p>"] if "command" in columns else []
    return PAGE.format(
        tally=html.escape(describe_verdicts(found)),
        rule=html.escape(RULE),
        tables="\n".join(tables),
        rest=html.escape(describe_rest(found)),
    )


def _format_row(entry: Entry, columns: Sequence[str]) -> str:
    cells = {name: html.escape(text) for name, text in entry.texts().items()}
    links = ", ".join(f'<a href="{html.escape(file)}">{name}</a>' for name, file in entry.files.items())
    cells["claim"] += f"<small>{links}</small>" if links else ""
    cells["command"] = f"<code>{cells['command']}</code>" if cells["command"] else ""
    kind = entry.finding.verdict.replace(" ", "-")
    body = "".join(
        f'<td data-head="{HEADS[name]}"{f" class={kind}" if name == "verdict" else ""}>{cells[name]}</td>'
        for name in columns
    )
    return f"<tr>{body}</tr>"


def describe_verdicts(found: Sequence[Entry]) -> str:
    """How many of the claims that were measured have which verdict, in words."""
    verdicts = [entry.finding.verdict for entry in found]
    measured = len(verdicts) - verdicts.count("not measured")
    at_scale = sum(entry.finding.at_scale for entry in found)
    where = f"{at_scale} of them at the paper's scale" if at_scale else "none of them at the paper's scale"
    counts = [
        f"{verdicts.count('reproduced')} reproduced",
        f"{verdicts.count('not reproduced')} not reproduced",
    ]
    counts = counts if at_scale else []
    counts += [f"{verdicts.count('found')} with a finding of its own", f"{verdicts.count('undecided')} open"]
    return f"{measured} claims measured, {where}: {', '.join(counts)}."


def describe_rest(found: Sequence[Entry]) -> str:
    """How many claims were not measured, and what would measure them; nothing where all were."""
    rest = sum(entry.finding.verdict == "not measured" for entry in found)
    noun = "claim was" if rest == 1 else "claims were"
    return (
        f"{rest} further {noun} not measured: make study STUDY=small measures most of them." if rest else ""
    )


def _format_value(reading: Reading) -> str:
    show = style.format_significant
    return f"{show(reading.value.mean)} ({show(reading.value.low)} to {show(reading.value.high)})"


def _format_scale(reading: Reading) -> str:
    sizes = " to ".join(dict.fromkeys(style.format_short(n) for n in reading.n_parameters))
    seeds = "1 seed" if reading.seeds == 1 else f"{reading.seeds} seeds"
    return (
        f"{sizes} parameters, {style.format_with_suffix(reading.n_people)} people, {seeds}: {reading.models}"
    )


def _format_cost(step: Step) -> str:
    """Hours of a core and of a GPU."""
    if step.hours is None and step.gpu_hours is None:
        return ""
    parts = [
        f"{format_rough_duration(3600 * hours)} of {device}"
        for hours, device in ((step.hours, "a core"), (step.gpu_hours, "an H100"))
        if hours is not None
    ]
    return " or ".join(parts)


PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Scorecard: knowledge capacity of language models</title>
<style>
body {{ font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; color: #222;
  background: #fff; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ text-align: left; vertical-align: top; padding: .5rem .6rem; border-bottom: 1px solid #ddd; }}
small {{ display: block; margin-top: .25rem; }}
.reproduced {{ color: #00664a; font-weight: 600; }}
.not-reproduced {{ color: #a33b00; font-weight: 600; }}
.found {{ color: #004c8c; font-weight: 600; }}
.undecided {{ color: #555; font-weight: 600; }}
@media (max-width: 50rem) {{
  thead {{ display: none; }}
  tr {{ display: block; border-bottom: 2px solid #bbb; padding: .6rem 0; }}
  td {{ display: block; border: 0; padding: .15rem 0; }}
  td:not(:empty)::before {{ content: attr(data-head) ": "; color: #666; }}
}}
</style>
<h1>Scorecard</h1>
<p>{tally}</p>
{tables}
<p>{rest}</p>
<p>{rule}</p>
</html>
"""
