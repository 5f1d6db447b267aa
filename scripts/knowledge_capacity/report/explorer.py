"""The explorer: one page with all measurements of a study, which needs neither a server nor a network."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from html import escape
from typing import Any

import altair as alt
import vl_convert

from . import charts, facts
from .progress import StudyProgress
from .script import SCRIPT

MOST_ROWS = 200  # of the table
COLUMNS = {  # of the table: key, and whether it is a number
    "run": False,
    "variant": False,
    "parameters": True,
    "learned": True,
    "interval": True,
    "most": True,
    "ratio": True,
    "ratio_most": True,
    "per_byte": True,
    "limited": False,
}
SCORES = {  # columns of the scorecard
    "claim": "Claim",
    "paper": "The paper says",
    "measured": "Measured",
    "here": "At this scale",
    "verdict": "Verdict",
    "why": "Why",
    "scale": "Scale",
    "figure": "Figure",
}
# Nothing is loaded from anywhere; Vega makes functions of the charts' expressions.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data:"
)


@dataclass(frozen=True)
class Content:
    """What a page shows.

    rows: of `facts.describe_measurement`. made: when, in words. progress: of the study, if known. scorecard: what the
    paper claims and what was measured, with the keys SCORES. figures: by a scorecard's figure, its address.
    curves: of `curves.read_curves`, of n_curves runs out of n_trained. remarks: what else is to be told.
    """

    rows: Sequence[dict[str, Any]]
    made: str
    progress: StudyProgress | None = None
    scorecard: Sequence[Mapping[str, Any]] = ()
    figures: Mapping[str, str] = field(default_factory=dict)
    curves: Sequence[dict[str, Any]] = ()
    n_curves: int = 0
    n_trained: int = 0
    remarks: Sequence[str] = ()


def render_page(content: Content) -> str:
    """The page."""
    rows = content.rows
    data = {
        "measurements": facts.pack_columns(rows),
        "curves": facts.pack_columns(content.curves),
        "charts": {"measurements": charts.capacity_chart(), "curves": charts.training_chart()},
        "filters": list(facts.FILTERS),
        "columns": [{"key": k, "number": n, "heads": k == "run"} for k, n in COLUMNS.items()],
        "most_rows": MOST_ROWS,
    }
    remarks = "".join(f"<p>{escape(remark)}</p>\n" for remark in content.remarks)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>Knowledge capacity: explorer</title>
<style>
{STYLE}</style>
</head>
<body>
<h1>Bits of knowledge per parameter</h1>
<p class="quiet">{len(rows):,} measurements. This page was made on {escape(content.made)}.</p>
{remarks}{_render_progress(content.progress)}<main>
<h2 id="measurements">Learned bits against parameters</h2>
{_render_controls(rows)}
<p id="status" role="status"></p>
<div class="chart" id="capacity"></div>
<p class="quiet">A dot is a measurement; point at it for all that is known of it. Hollow dots are data-limited:
at R ≥ 0.9 R_max a model shows the size of its dataset, not its own. Dashed lines are equal bits per parameter.</p>
<noscript><p>The charts and the table need JavaScript.</p></noscript>
{_render_scorecard(content.scorecard, content.figures)}{_render_training(content)}<h2 id="table">Measurements</h2>
<p id="table-status" class="quiet" role="status"></p>
<div class="table" role="region" aria-labelledby="table" tabindex="0"><table>
<thead><tr>{"".join(_render_column_head(key) for key in COLUMNS)}</tr></thead>
<tbody id="rows"></tbody>
</table></div>
</main>
<script type="application/json" id="page-data">{_embed_json(data)}</script>
<script>{vega_bundle()}</script>
<script>{SCRIPT}</script>
</body>
</html>
"""


@cache
def vega_bundle() -> str:
    """Vega, Vega-Lite and Vega-Embed in one piece, as altair was made for."""
    version = ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])
    bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=version)
    return bundle.replace("</script", "<\\/script")


def _embed_json(data: Any) -> str:
    """JSON that holds nothing which could end the script element around it."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _render_controls(rows: Sequence[dict[str, Any]]) -> str:
    selects = [
        _render_select(
            key, title, [("", "all"), *((value, value) for value in facts.filter_choices(rows, key))]
        )
        for key, (title, _) in facts.FILTERS.items()
    ]
    selects.append(
        _render_select("colour_by", "Colour by", [("people", "people"), ("family", "architecture")])
    )
    return f"""<form id="controls" autocomplete="off" aria-label="Which measurements are shown">
{"".join(selects)}<button type="reset">Show all</button>
</form>"""


def _render_select(name: str, title: str, options: Sequence[tuple[str, str]]) -> str:
    listed = "".join(f'<option value="{escape(value)}">{escape(text)}</option>' for value, text in options)
    return f'<label>{escape(title)} <select name="{name}">{listed}</select></label>\n'


def _render_column_head(key: str) -> str:
    title = {"run": "Run", "variant": "Precision", **facts.TITLES}[key]
    return f'<th scope="col"{" class=number" if COLUMNS[key] else ""}>{escape(title)}</th>'


def _render_progress(progress: StudyProgress | None) -> str:
    """How far the study is."""
    if not progress:
        return ""
    said = f"{progress.measured:,} of {progress.wanted:,} runs are measured, {progress.trained:,} are trained"
    said += f", {progress.begun:,} have begun." if progress.begun else "."
    if progress.trained < progress.wanted and progress.seconds_left is None:
        said += " No run has come far enough yet to tell how long training will take."
    elif progress.trained < progress.wanted:
        said += f" To train the rest may take {_format_duration(progress.seconds_left or 0)} more: an estimate, by what"
        said += " was trained so far."
    failures = [
        f"<li><b>{escape(one.job)}</b>, {escape(one.of)}: {escape(one.message)} "
        f'<span class="quiet">({escape(one.log)})</span></li>\n'
        for one in progress.failures
    ]
    diverged = [f"<li>{escape(run)}: {escape(why)}</li>\n" for run, why in progress.diverged.items()]
    listed = _render_list(f"{len(failures)} failed", failures) + _render_list(
        f"{len(diverged)} diverged", diverged
    )
    return f"""<section aria-labelledby="progress">
<h2 id="progress">Progress</h2>
<progress max="{progress.wanted}" value="{progress.measured}" aria-labelledby="progress"></progress>
<p>{said}</p>
{listed}</section>
"""


def _format_duration(seconds: float) -> str:
    """95 → 2 minutes, 20000 → 6 hours."""
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"


def _render_list(title: str, items: Sequence[str]) -> str:
    if not items:
        return ""
    is_open = " open" if len(items) <= 5 else ""
    return f"<details{is_open}><summary>{title}</summary><ul>\n{''.join(items)}</ul></details>\n"


def _render_scorecard(claims: Sequence[Mapping[str, Any]], figures: Mapping[str, str]) -> str:
    """A row for each claim; columns that no claim has are left out."""
    keys = [key for key in SCORES if any(claim.get(key) for claim in claims)]
    if not keys:
        return ""

    def cell(key: str, claim: Mapping[str, Any]) -> str:
        value = str(claim.get(key) or "")
        text = escape(value)
        if key == "figure" and value in figures:
            text = f'<a href="{escape(figures[value])}" title="{text}">figure</a>'
        name = "th scope=row" if key == "claim" else "td"
        return f'<{name} class="{key}" data-title="{SCORES[key]}">{text}</{name[:2]}>'

    head = "".join(f"<th scope=col>{SCORES[key]}</th>" for key in keys)
    body = "".join(f"<tr>{''.join(cell(key, claim) for key in keys)}</tr>\n" for claim in claims)
    return f"""<h2 id="scorecard">The paper's claims</h2>
<table class="scorecard" aria-labelledby="scorecard"><thead><tr>{head}</tr></thead>
<tbody>{body}</tbody></table>
"""


def _render_training(content: Content) -> str:
    if not content.n_curves:
        return ""
    of = f"{content.n_curves:,} of {content.n_trained:,}" if content.n_curves < content.n_trained else "all"
    return f"""<h2 id="curves">Training</h2>
<div class="chart" id="training"></div>
<p class="quiet">Loss over training, of {of} runs; the choices above hold here too, but for that of precision.</p>
"""


STYLE = """:root { color-scheme: light dark; --text: #1b1f24; --page: #fff; --line: #c9d1d9; --quiet: #57606a }
@media (prefers-color-scheme: dark) { :root { --text: #e6edf3; --page: #14181d; --line: #3d444d;
  --quiet: #9da7b1 } }
body { max-width: 72rem; margin: auto; padding: 1rem; font: 1rem/1.5 system-ui, sans-serif;
  color: var(--text); background: var(--page); overflow-wrap: break-word }
h1 { font-size: 1.5rem; line-height: 1.2; margin: 0 }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem }
p { margin: .4rem 0 } .quiet { color: var(--quiet); font-size: .9rem }
form { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: end }
label { font-size: .85rem; color: var(--quiet); min-width: 0 }
select, button { display: block; font: inherit; font-size: .95rem; padding: 0 .4rem; height: 2.2rem;
  max-width: 100% }
.chart, .chart.vega-embed { display: block; width: 100%; height: min(32rem, 80vh); margin: .5rem 0;
  padding: 0 !important }
#vg-tooltip-element { pointer-events: none; max-width: min(26rem, calc(100vw - 1rem));
  font: .75rem/1.25 system-ui, sans-serif; box-sizing: border-box; padding: .4rem .5rem }
#vg-tooltip-element table { font-size: inherit; line-height: 1.25 }
#vg-tooltip-element h2 { font-size: .75rem; margin: 0 0 .3rem; overflow-wrap: anywhere }
#vg-tooltip-element tr td { max-width: none; max-height: none; padding: 0 4px; border: 0; white-space: normal;
  vertical-align: top; overflow-wrap: anywhere }
#vg-tooltip-element tr td.key { white-space: nowrap }
@media (max-width: 45rem), (max-height: 54rem) { #vg-tooltip-element.visible { left: .5rem !important;
  top: auto !important; bottom: .5rem } }
progress { width: 100%; height: 1rem }
summary { font-weight: 600 } ul { margin: .4rem 0; padding-left: 1.5rem }
.table { overflow: auto; max-height: 36rem }
table { border-spacing: 0; font-size: .85rem; line-height: 1.4 }
th, td { padding: .3rem .9rem .3rem 0; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; font-weight: normal }
thead th { color: var(--quiet); vertical-align: bottom; white-space: nowrap; position: sticky; top: 0;
  background: var(--page) }
.table tbody th { min-width: 11rem; font-size: .8rem }
.table tbody th, li { overflow-wrap: anywhere }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
.verdict { font-weight: 600 }
@media (max-width: 50rem) {
  .scorecard thead { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden }
  .scorecard, .scorecard tbody, .scorecard tr, .scorecard th, .scorecard td { display: block }
  .scorecard th, .scorecard td { border: 0; padding: .1rem 0 }
  .scorecard tr { border-bottom: 1px solid var(--line); padding: .5rem 0 }
  .scorecard .claim { font-weight: 600 }
  .scorecard td:not(:empty)::before { content: attr(data-title) ": "; color: var(--quiet) }
  .scorecard td:empty { display: none }
}
"""
