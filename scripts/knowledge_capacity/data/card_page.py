"""The data card as a page: one file, no scripts, for wide and narrow, light and dark screens.

A fact is told by its colour, and by its name when a pointer rests on it. The colours are Okabe and Ito's
("Color universal design", 2008), which the colour-blind tell apart too.
"""

from html import escape
from typing import Any

SUM = "all"  # the name of the row that sums up
LABELS = {  # where the name of a term or field is not enough
    "name": "full name",
    "work_city": "city of work",
    "first_chunk": "first chunk of a value",
    "other_chunks": "other chunks of a value",
    "values": "which string each chunk is",
    "sets": "which strings each attribute can take",
}
GUIDED = """
<p>A language model was led from fact to fact. The words between the facts are its own, but for phrases that led to a
value where it did not get there; every value was put in as it stands.</p>"""
COLOURS = {  # red, green, blue; the city of work follows from the employer and has its colour
    "name": (0, 114, 178),
    "birth_date": (230, 159, 0),
    "birth_city": (0, 158, 115),
    "university": (204, 121, 167),
    "major": (240, 228, 66),
    "employer": (213, 94, 0),
    "work_city": (213, 94, 0),
    "pronoun": (86, 180, 233),
    "string": (0, 114, 178),
    "first_chunk": (230, 159, 0),
    "other_chunks": (0, 158, 115),
}


def render_page(card: dict[str, Any]) -> str:
    """The card as a page of its own, without scripts."""
    tokens, slug = card["tokens"], escape(card["slug"])
    one, text = {"people": ("person", "biography"), "strings": ("string", "string")}[card["of"]]
    texts = {"biography": "biographies", "string": "strings"}[text]
    used = {segment["term"] for biography in card["biographies"] for segment in biography}
    legend = "".join(_render_mark(term, _field_label(term)) for term in COLOURS if term in used)
    if "work_city" in used:
        legend += "<br>The pronoun counts where it stands first; the city of work follows from the employer."
    biographies = "".join(f"<li>{_render_biography(segments)}</li>\n" for segments in card["biographies"])
    terms = [
        (_field_label(row["term"]), row["formula"], row["per_person"], row["total"]) for row in card["bits"]
    ]
    terms.append((SUM, "", card["bits_per_person"], card["bits_max"]))
    bits = [[what, formula, f"{each:,.2f}", f"{every:,.1f}"] for what, formula, each, every in terms]
    drawn = [
        [_field_label(row["field"]), f"{row['values']:,}", f"{row['entropy']:.2f}", row["note"]]
        for row in card["pools"]
    ]
    counted = f"over {tokens['biographies_counted']:,} {texts}, end-of-text included"
    sizes = [
        [f"{text}, mean", f"{tokens['per_biography_mean']:,.1f}", counted],
        [f"{text}, shortest", f"{tokens['per_biography_shortest']:,}", ""],
        [f"{text}, longest", f"{tokens['per_biography_longest']:,}", ""],
        ["exposure", f"{tokens['per_exposure']:,}", f"all {card['of']} once"],
        ["vocabulary", f"{tokens['vocabulary']:,}", "all that the tokenizer knows"],
        [
            "vocabulary used",
            f"{tokens['vocabulary_used']:,}",
            f"different ones in {tokens['exposures_counted']} exposures",
        ],
    ]
    spec = [[key, str(value)] for key, value in card["spec"].items() if key != "pools"]
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{slug}: data card</title>
<style>
{"".join(map(_css_rule, COLOURS))}{STYLE}</style>
</head>
<body>
<h1>{slug}</h1>
<p>{card["n"]:,} {card["of"]} hold <b>{card["bits_max"]:,.1f} bits</b>, that is
<b>{card["bits_per_person"]:,.2f} bits</b> each. To tell about each of them once takes
<b>{tokens["per_exposure"]:,} tokens</b>. All that is drawn is that of seed {card["seed"]}.</p>
<h2>Bits</h2>
{_render_table(["what", f"in closed form, per {one}", f"bits per {one}", "bits in all"], bits, (2, 3))}
<h2>{texts.capitalize()}</h2>
<p class="legend">{legend}</p>{GUIDED if card["spec"].get("guided") else ""}
<ol>
{biographies}</ol>
<h2>Pools</h2>
{_render_table(["drawn", "values", "entropy in bits", ""], drawn, (1, 2))}
<h2>Tokens</h2>
{_render_table(["", "tokens", ""], sizes, (1,))}
<h2>Specification</h2>
{_render_table(["field", "value"], spec)}
</body>
</html>
"""


STYLE = """:root { color-scheme: light dark; --text: #1b1f24; --page: #fff; --line: #c9d1d9;
  --quiet: #57606a; --tint: .3 }
@media (prefers-color-scheme: dark) { :root { --text: #e6edf3; --page: #14181d; --line: #3d444d;
  --quiet: #9da7b1; --tint: .38 } }
body { max-width: 54rem; margin: auto; padding: 1rem; font: 1rem/1.6 system-ui, sans-serif;
  color: var(--text); background: var(--page) }
h1 { font-size: 1.5rem; line-height: 1.2; overflow-wrap: anywhere }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem }
.table { overflow-x: auto }
table { border-collapse: collapse; font-size: .9rem; line-height: 1.4 }
th, td { padding: .3rem 1rem .3rem 0; border-bottom: 1px solid var(--line); text-align: left }
th { color: var(--quiet); vertical-align: bottom } td { vertical-align: top }
.number { text-align: right; font-variant-numeric: tabular-nums }
.sum { font-weight: 600 }
@media (max-width: 30rem) { table { font-size: .8rem } th, td { padding-right: .6rem } }
th:last-child, td:last-child { padding-right: 0 }
ol { padding-left: 1.8rem } li { margin-bottom: .8rem; line-height: 1.9 }
mark { color: inherit; padding: .1em .2em; border-radius: .2em; border-bottom: 2px solid;
  -webkit-box-decoration-break: clone; box-decoration-break: clone }
.legend { font-size: .9rem } .legend mark { display: inline-block; margin: 0 .6rem .3rem 0; line-height: 1.4 }
mark.work_city { background: none; border-bottom-style: dashed }
"""


def _css_rule(term: str) -> str:
    """The colour of a term's spans."""
    colour = " ".join(map(str, COLOURS[term]))
    return f"mark.{term} {{ background: rgb({colour} / var(--tint)); border-color: rgb({colour}) }}\n"


def _field_label(key: str) -> str:
    return LABELS.get(key, key.replace("_", " "))


def _render_mark(term: str, text: str) -> str:
    return f'<mark class="{escape(term)}" title="{escape(_field_label(term))}">{escape(text)}</mark>'


def _render_biography(segments: list[dict[str, Any]]) -> str:
    """Its text, with a mark around each term; the space before a value stays outside."""
    parts = []
    for text, term in ((segment["text"], segment["term"]) for segment in segments):
        value = text.lstrip()
        parts.append(text[: -len(value)] + _render_mark(term, value) if term and value else escape(text))
    return "".join(parts)


def _render_table(head: list[str], rows: list[list[str]], numbers: tuple[int, ...] = ()) -> str:
    """A table of texts; the columns `numbers` are set to the right, and the row of the sum in bold."""

    def line(tag: str, row: list[str]) -> str:
        classes = [' class="number"' if i in numbers else "" for i in range(len(row))]
        cells = (f"<{tag}{c}>{escape(cell)}</{tag}>" for c, cell in zip(classes, row, strict=True))
        bold = ' class="sum"' if row[0] == SUM else ""
        return f"<tr{bold}>{''.join(cells)}</tr>\n"

    body = "".join(line("td", row) for row in rows)
    return f'<div class="table"><table>\n{line("th", head)}{body}</table></div>'
