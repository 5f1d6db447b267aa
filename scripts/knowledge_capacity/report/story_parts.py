"""Parts of the lecture's page that say the same without colours, on paper and where scripts do not run."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

from ..data.pieces import Term
from ..measuring.biography import ScoredToken
from ..measuring.scoring import COUNTED
from ..specs import BioS

FACTS = {"full name": Term.NAME, **{name.replace("_", " "): term for name, term in COUNTED.items()}}
DARKEST = 8.0  # bits of a token that is shaded fully
INVERTED = 0.63  # shade from which letters are light: either way, they stand out 4.5 to 1


@dataclass(frozen=True)
class Step:
    """A step of a slider. share: of its bar that is full. known: what the bar says. panel: HTML."""

    label: str
    share: float
    known: str
    panel: str


def fact_costs(tokens: Iterable[ScoredToken]) -> dict[str, float]:
    """Bits that each of FACTS cost in a biography."""
    costs = dict.fromkeys(FACTS.values(), 0.0)
    for token in tokens:
        if token.term in costs:
            costs[token.term] += token.bits
    return {name: costs[term] for name, term in FACTS.items()}


def guess_costs(dataset: BioS) -> dict[str, float]:
    """Bits that each of FACTS costs whoever knows all lists of values, and no person."""
    choices = {"full name": dataset.pools.names}
    choices |= {name.replace("_", " "): n for name, n in dataset.choices.items()}
    return {name: math.log2(choices[name]) for name in FACTS}


def fact_values(tokens: Sequence[ScoredToken]) -> dict[str, str]:
    """What a biography says of each of FACTS."""
    said = {term: "".join(token.text for token in tokens if token.term == term).strip() for term in Term}
    return {name: said[term] for name, term in FACTS.items()}


def render_biography(tokens: Iterable[ScoredToken]) -> str:
    """A text with a shade for what each token cost, and the bits of each fact behind it."""
    parts = []
    for term, group in groupby(tokens, key=lambda token: token.term):
        told = list(group)
        words = "".join(map(_render_token, told))
        if term in FACTS.values():
            space = " " if told[0].text.startswith(" ") else ""
            bits = sum(token.bits for token in told)
            words = f'{space}<b>{words.lstrip()}</b><span class="bits">{bits:z.1f}</span>'
        parts.append(words)
    return f'<p class="biography">{"".join(parts)}</p>'


def render_legend() -> str:
    """Shades and what they stand for."""
    shades = (_render_shade(f"{bits:g}", bits) for bits in (0.0, 1.0, 2.0, 4.0, DARKEST))
    return f'<p class="legend">Shades of words that cost {" ".join(shades)} bits or more</p>'


def render_halving(names: Sequence[str], true: int) -> str:
    """Questions that halve a list until the true name is left: a row of the names for each."""
    left = range(len(names))
    lines: list[str] = []
    while True:
        cells = "".join(f"<i{' class=in' if i in left else ''}></i>" for i in range(len(names)))
        said = f"{len(left)} left" if len(left) > 1 else names[true]
        asked = f"question {len(lines)}" if lines else "at first"
        lines.append(
            f'<tr><th scope="row">{asked}</th><td class="cells">{cells}</td><td>{escape(said)}</td></tr>\n'
        )
        if len(left) == 1:
            return f'<table class="halving">\n{"".join(lines)}</table>'
        middle = left[len(left) // 2]
        left = range(left.start, middle) if true < middle else range(middle, left.stop)


def render_table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: int) -> str:
    """A table of texts, whose first column names its rows; the last so many columns are numbers."""
    text = len(head) - numbers

    def cell(i: int, said: str, heading: bool) -> str:
        name, scope = ("th", f' scope="{"col" if heading else "row"}"') if heading or not i else ("td", "")
        return f"<{name}{scope}{' class=number' if i >= text else ''}>{escape(said)}</{name}>"

    lines = ["".join(cell(i, said, heading=True) for i, said in enumerate(head))]
    lines += ["".join(cell(i, said, heading=False) for i, said in enumerate(row)) for row in rows]
    top, *others = (f"<tr>{line}</tr>\n" for line in lines)
    return f'<div class="wide"><table><thead>{top}</thead><tbody>\n{"".join(others)}</tbody></table></div>'


def render_steps(name: str, question: str, steps: Sequence[Step]) -> str:
    """A slider over steps, a bar for each, and the panel of the chosen one; all panels, where no script runs."""
    bars = "".join(
        f'<li data-step="{i}"><span>{escape(step.label)}</span><span class="bar">'
        f'<i style="width:{_percent(step.share)}"></i></span><span>{escape(step.known)}</span></li>\n'
        for i, step in enumerate(steps)
    )
    panels = "".join(
        f'<figure data-step="{i}"><figcaption>{escape(step.label)}: {escape(step.known)}</figcaption>'
        f"{step.panel}</figure>\n"
        for i, step in enumerate(steps)
    )
    slider = (
        f'<label class="slider" hidden>{escape(question)} <input type="range" min="0" max="{len(steps) - 1}" value="0" '
        f'name="{escape(name)}" autocomplete="off"></label>'
    )
    return (
        f'<div class="steps" id="{escape(name)}">\n{slider}\n<ol class="bars">\n{bars}</ol>\n{panels}</div>'
    )


def _percent(share: float) -> str:
    return f"{100 * min(max(share, 0), 1):.1f}%"


def _render_token(token: ScoredToken) -> str:
    word = token.text.lstrip()
    return token.text[: len(token.text) - len(word)] + _render_shade(word, token.bits)


def _render_shade(said: str, bits: float) -> str:
    shade = min(max(bits / DARKEST, 0), 1)
    dark = " class=dark" if shade >= INVERTED else ""
    return f'<span{dark} style="--shade:{shade:.2f}" title="{bits:z.2f} bits">{escape(said)}</span>'


SCRIPT = """"use strict";
for (const steps of document.querySelectorAll(".steps")) {
  const slider = steps.querySelector("input"), names = [...steps.querySelectorAll("li span:first-child")];
  const choose = number => {
    for (const part of steps.querySelectorAll("[data-step]")) {
      const chosen = part.dataset.step === number;
      if (part.localName === "figure") part.hidden = !chosen;
      else if (chosen) part.setAttribute("aria-current", "true");
      else part.removeAttribute("aria-current");
    }
    slider.setAttribute("aria-valuetext", names[number].textContent);
  };
  slider.addEventListener("input", () => choose(slider.value));
  slider.closest("label").hidden = false;
  choose(slider.value);
}
"""
STYLE = """:root { color-scheme: light dark; --text: #1b1f24; --page: #fff; --line: #c9d1d9; --quiet: #57606a;
  --ink: 0 0 0; --most: .85 }
@media (prefers-color-scheme: dark) { :root { --text: #e6edf3; --page: #14181d; --line: #3d444d; --quiet: #9da7b1;
  --ink: 255 255 255; --most: .65 } }
@media print { :root { --text: #000; --page: #fff; --line: #999; --quiet: #333; --ink: 0 0 0; --most: .85 } }
* { box-sizing: border-box; -webkit-print-color-adjust: exact; print-color-adjust: exact }
body { max-width: 44rem; margin: auto; padding: 1rem; font: 1.05rem/1.6 system-ui, sans-serif; color: var(--text);
  background: var(--page); overflow-wrap: break-word }
h1 { font-size: 1.7rem; line-height: 1.2; margin: .5rem 0 } h2 { font-size: 1.25rem; margin: 2.2rem 0 .5rem }
p { margin: .6rem 0 } .quiet, figcaption { color: var(--quiet); font-size: .9rem }
.biography, .legend { color: rgb(var(--ink)) }
.biography { line-height: 2; padding: .6rem .8rem; border: 1px solid var(--line); border-radius: .4rem }
.biography span[style], .legend span { background: rgb(var(--ink) / calc(var(--shade) * var(--most)));
  padding: .1em .12em; border-radius: .15em } .dark { color: var(--page) }
.biography b { font-weight: 600; border-bottom: 2px solid }
.bits { font-size: .75em; margin-left: .15em; padding: 0 .25em; border: 1px solid var(--quiet); border-radius: .6em;
  color: var(--quiet); white-space: nowrap }
.legend { font-size: .9rem } .legend span { padding: .1em .5em; border: 1px solid var(--line) }
.halving { font-size: .9rem } .halving th { text-align: left; font-weight: normal }
.halving td, .halving th { padding: .1rem .6rem .1rem 0 }
.cells { white-space: nowrap } .cells i { display: inline-block; width: .8em; height: .8em; margin-right: 2px;
  border: 1px solid var(--line) } .cells i.in { background: var(--text); border-color: var(--text) }
.slider { display: block; font-weight: 600 } .slider[hidden] { display: none }
.slider input { display: block; width: 100%; height: 2rem; margin: 0; accent-color: var(--text) }
.bars { list-style: none; margin: .5rem 0; padding: 0; font-size: .9rem }
.bars li { display: grid; grid-template-columns: 8.5rem 1fr 6.5rem; gap: .6rem; align-items: center;
  padding: .1rem .3rem; border-left: .25rem solid transparent }
.bars li[aria-current] { border-color: var(--text); font-weight: 600 }
.bars li > :last-child { text-align: right; font-variant-numeric: tabular-nums }
.bar { height: .9rem; border: 1px solid var(--quiet) } .bar i { display: block; height: 100%; background: var(--quiet) }
[aria-current] .bar i { background: var(--text) }
figure { margin: .6rem 0; break-inside: avoid } figure svg { width: 100%; max-width: 34rem; height: auto;
  display: block }
.wide { overflow-x: auto } table { border-collapse: collapse; font-size: .9rem; line-height: 1.4 }
.wide th, .wide td { text-align: left; font-weight: normal; padding: .25rem .8rem .25rem 0; vertical-align: top;
  border-bottom: 1px solid var(--line) } thead th { color: var(--quiet); vertical-align: bottom !important }
.wide .number { text-align: right; font-variant-numeric: tabular-nums }
@media (max-width: 34rem) { body { font-size: 1rem } .bars li { grid-template-columns: 1fr auto }
  .bars .bar { grid-column: 1 / 3; grid-row: 2 } .bars li { row-gap: 0; margin-bottom: .35rem }
  .halving { font-size: .8rem }
  .cells i { width: .5em; height: .8em; margin-right: 1px } .wide th, .wide td { padding-right: .5rem } }
@media print { .slider { display: none } figure[hidden] { display: block } .bars li[aria-current] { font-weight: normal;
  border-color: transparent } body { font-size: 10pt; max-width: none } h2 { break-after: avoid } }
"""
