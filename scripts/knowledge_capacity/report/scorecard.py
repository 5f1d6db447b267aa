"""The scorecard: for each claim of the paper, what was measured, at which scale, and the verdict."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from ..experiments._contract import load_experiment
from ..figures import style
from ..files import atomic_write, write_json
from ..verdicts import claims
from ..verdicts.claims import Finding, Reading
from . import writing

COLUMNS = ("claim", "paper", "measured", "here", "verdict", "why", "scale")
HEADS = {
    "claim": "claim",
    "paper": "the paper says",
    "measured": "measured",
    "here": "at this scale",
    "verdict": "verdict",
    "why": "why",
    "scale": "scale",
}
RULE = " ".join(
    f"""Each claim is that a quantity lies between two bounds, which leave room for a factor of {claims.TOLERANCE:g}
    beyond what the paper says unless the claim has its own. It holds at the scale measured where the quantity's whole
    95 % interval, over seeds and people, lies between the bounds; it fails where the whole interval lies outside; it
    is open otherwise, with fewer than {claims.LEAST_SEEDS} seeds, where more people could change the answer
    because a dataset is too small for a model, and where the most is too little, but of the largest model, so that
    larger ones may store more. The verdict on the paper follows only from models of
    {style.format_with_suffix(claims.LEAST_PARAMETERS)} parameters and datasets of
    {style.format_with_suffix(claims.LEAST_PEOPLE)} people or more, about the paper's smallest; else it is
    undecided.""".split()
)


@dataclass(frozen=True)
class Entry:
    """A claim's line. number: of the paper's result, or None. files: of its figure, its numbers, its measurements."""

    experiment: str
    number: int | None
    finding: Finding
    files: dict[str, str]

    @property
    def name(self) -> str:
        return f"{self.number}. {self.finding.claim.name}" if self.number else self.finding.claim.name

    def texts(self) -> dict[str, str]:
        """The cells of COLUMNS."""
        found, reading = self.finding, self.finding.reading
        return {
            "claim": self.name,
            "paper": found.claim.paper,
            "measured": f"{found.claim.quantity}: {_format_value(reading)} (claimed: {found.claim.bounds})"
            if reading
            else "",
            "here": found.here if reading else "",
            "verdict": found.verdict,
            "why": found.why,
            "scale": _format_scale(reading) if reading else "",
        }


def scorecard_entries(measurements: pa.Table, experiments: Sequence[str], figures: str) -> list[Entry]:
    """A line for each claim of these experiments, the paper's results first. figures: the folder of figures."""
    found = []
    for experiment in experiments:
        module = load_experiment(experiment)
        judged = module.claims
        rows = writing.experiment_rows(experiment, measurements) if judged else None
        files = {}
        if rows is not None and len(rows):
            files = {"figure": f"{figures}/{experiment}.png", "numbers": f"{figures}/{experiment}.md"}
        found += [
            Entry(experiment, module.number, claims.judge_claim(claim, rows), files) for claim in judged
        ]
    return sorted(found, key=lambda entry: entry.number or 99)


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
        claim, reading = entry.finding.claim, entry.finding.reading
        numbers = {}
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
        bounds = [_finite_or_none(claim.low), _finite_or_none(claim.high)]
        of = {"experiment": entry.experiment, "result": entry.number, "bounds": bounds}
        lines.append(
            {**entry.texts(), **of, **{k: _finite_or_none(v) for k, v in numbers.items()}, **entry.files}
        )
    return lines


def format_markdown(found: Sequence[Entry]) -> str:
    """The scorecard as a table, with the rule below it."""
    columns = [name for name in COLUMNS if name != "paper"]
    lines = [[HEADS[name] for name in columns], ["---"] * len(columns)]
    for entry in found:
        cells = entry.texts()
        if "figure" in entry.files:
            cells["claim"] = f"[{cells['claim']}]({entry.files['numbers']})"
        cells["claim"] += f"<br>*paper: {cells['paper']}*"
        cells["verdict"] = f"**{cells['verdict']}**"
        lines.append([cells[name].replace("|", "\\|") for name in columns])
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return f"{describe_verdicts(found)}\n\n{table}\n{RULE}\n"


def format_page(found: Sequence[Entry]) -> str:
    """The scorecard as a page of its own."""
    rows = []
    for entry in found:
        cells = {name: html.escape(text) for name, text in entry.texts().items()}
        links = ", ".join(f'<a href="{html.escape(file)}">{name}</a>' for name, file in entry.files.items())
        cells["claim"] += f"<small>{links}</small>" if links else ""
        kind = entry.finding.verdict.replace(" ", "-")
        body = "".join(
            f'<td data-head="{HEADS[name]}"{f" class={kind}" if name == "verdict" else ""}>{cells[name]}</td>'
            for name in COLUMNS
        )
        rows.append(f"<tr>{body}</tr>")
    heads = "".join(f'<th scope="col">{HEADS[name]}</th>' for name in COLUMNS)
    return PAGE.format(
        tally=html.escape(describe_verdicts(found)), rule=html.escape(RULE), heads=heads, rows="\n".join(rows)
    )


def describe_verdicts(found: Sequence[Entry]) -> str:
    """How many claims have which verdict, in words."""
    verdicts = [entry.finding.verdict for entry in found]
    here = [entry.finding.here for entry in found if entry.finding.reading]
    counts = ", ".join(f"{verdicts.count(v)} {v}" for v in ("reproduced", "not reproduced", "undecided"))
    return (
        f"{len(found)} claims: {counts}. At the scale measured, {here.count('holds')} hold, {here.count('fails')} fail "
        f"and {here.count('open')} are open; {len(found) - len(here)} are not measured."
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


def _finite_or_none(value: Any) -> Any:
    """JSON knows no infinity."""
    return None if isinstance(value, float) and value in (float("inf"), float("-inf")) else value


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
<table>
<thead><tr>{heads}</tr></thead>
<tbody>
{rows}
</tbody>
</table>
<p>{rule}</p>
</html>
"""
