"""A page for a lecture: what a bit of knowledge is, and how a model fills up with them. It needs no network."""

import math
from html import escape

import pandas as pd

from ..data import bios, pools
from ..data.pieces import Term
from ..figures.style import format_short
from . import story_law, story_parts
from .story_model import Model, State

# Nothing is loaded from anywhere.
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"
KEPT = 0.99  # a share of bits that counts as all of them
LOST = 1.05  # times a guess, what a fact costs that is known wrongly
PAPER = '<a href="https://arxiv.org/abs/2404.05405">Allen-Zhu and Li</a>'


def render_page(model: Model, law: pd.DataFrame, made: str) -> str:
    """The page. law: of `story_law.select_points`. made: when, in words."""
    sections = "".join(
        f"<section>\n<h2>{escape(title)}</h2>\n{text}</section>\n"
        for title, text in (
            ("What is a bit of knowledge?", _tell_bit(model)),
            ("One person, word by word", _tell_person(model)),
            ("One model fills up", _tell_filling(model)),
            ("The law", _tell_law(law)),
            ("Rounding the parameters", _tell_rounding(model)),
            ("What to remember", _tell_summary(model)),
        )
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>How much does a language model know?</title>
<style>
{story_parts.STYLE}</style>
</head>
<body>
<h1>How much does a language model know?</h1>
{_tell_lead(model)}<main>
{sections}</main>
<p class="quiet">This page was made on {escape(made)} by <code>make story</code>. The model is
<code>{escape(model.run)}</code>. The law is drawn from the published measurements of this project. Another
seed would give somewhat other numbers.</p>
<script>{story_parts.SCRIPT}</script>
</body>
</html>
"""


def _tell_lead(model: Model) -> str:
    return _paragraphs(
        "A language model keeps what it has read in its parameters. These are just numbers. "
        f"This page looks into a model of only {model.n_parameters:,} parameters, and counts what it knows. "
        "Reading takes ten minutes.",
        "A program made up all people on this page, so that no model can have heard of them before. "
        "Every number was measured by this project, unless the page says where else it comes from.",
    )


def _tell_bit(model: Model) -> str:
    said = story_parts.fact_values(model.filling[-1].tokens)
    cities = pools.pool_values(model.dataset.pools)["birth_city"]
    city, n, bits = said["birth city"], len(cities), math.log2(len(cities))
    before = _paragraphs(
        "A bit is what the answer to a yes-or-no question tells, if both answers are equally likely.",
        f"{said['full name']} was born in {city}. The program drew this city from a list of {n}. "
        "A good question halves the list: is the city in the first half?",
    )
    after = _paragraphs(
        f"It takes log₂ {n} = {bits:.3g} such questions to find one of {n}. So this fact holds {bits:.3g} bits.",
        "A model answers no questions. It reads a text, and gives each possible next word a probability. "
        "If the word that comes had probability p, it costs −log₂ p bits. A word with p = 1/2 costs 1 bit, a word with "
        "p = 1/16 costs 4, and a word that the model is sure of costs nothing.",
        f"Knowledge is what a model saves. A guess among {n} cities costs {bits:.3g} bits. "
        f"A model that pays 1 bit for the true city saves {bits - 1:.3g}: so many bits of this fact it knows.",
    )
    return before + story_parts.render_halving(cities, cities.index(city)) + after


def _tell_person(model: Model) -> str:
    dataset, first, last = model.dataset, model.filling[0], model.filling[-1]
    guess = story_parts.guess_costs(dataset)
    early, late = (story_parts.fact_costs(state.tokens) for state in (first, last))
    values = story_parts.fact_values(last.tokens)
    rows = [
        [name, values[name], f"{guess[name]:.1f}", f"{early[name]:.1f}", f"{late[name]:.1f}"]
        for name in guess
    ]
    sums = (sum(costs.values()) for costs in (guess, early, late))
    rows.append(["all facts", "", *(f"{cost:.1f}" for cost in sums)])
    others = [token.bits for token in last.tokens if token.term == Term.NONE]
    n, orders = len(bios.ATTRIBUTES), math.factorial(len(bios.ATTRIBUTES))
    before = _paragraphs(
        f"The model has read this biography {first.exposures} times, among those of {dataset.n_people} people. "
        "A word without a shade cost nothing. The stronger the shade, the more it cost. "
        "The number behind a fact is its cost in bits."
    )
    head = ["fact", "value", "a guess", *(f"after {state.exposures} readings" for state in (first, last))]
    after = _paragraphs(
        "The table has the cost of each fact in bits. A guess knows the lists of values, but no person.",
    ) + story_parts.render_table(head, rows, numbers=3)
    others_told = _paragraphs(
        f"The other {len(others)} words and stops are much alike in all biographies. After {last.exposures} readings "
        f"these cost {sum(others):.1f} bits here. They cannot be free, since the order of the sentences is drawn anew "
        f"each time: {n} sentences have {orders} orders, so on average they cost log₂ {orders} = "
        f"{math.log2(orders):.1f} bits or more. One biography may cost a little less. "
        "This is no knowledge about a person, and is not counted.",
        f"The name always costs something. Nobody can tell which of {dataset.n_people} people comes next, and that "
        f"alone costs log₂ {dataset.n_people} = {math.log2(dataset.n_people):.1f} bits. The city of work counts for "
        "nothing, since it follows from the employer.",
    )
    read = story_parts.render_legend() + story_parts.render_biography(first.tokens)
    return before + read + after + others_told


def _tell_filling(model: Model) -> str:
    first, last, most = model.filling[0], model.filling[-1], model.dataset.bits_max
    steps = [_describe_step(f"{state.exposures} readings", state, most) for state in model.filling]
    share, ratio = last.bits_learned / most, last.bits_learned / model.n_parameters
    before = _paragraphs(
        f"All facts about all {model.dataset.n_people} people are {most:,.0f} bits together: less than so many "
        "times the cost of one biography, since it is no knowledge which person comes next. A full bar would be a "
        f"model that knows them all. The model was trained {len(steps)} times from the start, and read every "
        f"biography {first.exposures} to {last.exposures} times. Move the slider, and watch the biography. "
        "Each training starts anew, so that a single fact may cost more again."
    )
    after = _paragraphs(
        f"After {first.exposures} readings the model knows {format_bits(first.bits_learned)} bits. "
        f"After {last.exposures} it knows {format_bits(last.bits_learned)}, which is {share:.0%} of all, and "
        f"{ratio:.2f} bits per parameter.",
        _tell_losses(model),
    )
    slider = story_parts.render_steps("filling", "How often has the model read each biography?", steps)
    return before + slider + after


def _tell_losses(model: Model) -> str:
    """Which facts of the biography cost more than a guess, after most exposures."""
    guess, last = story_parts.guess_costs(model.dataset), model.filling[-1]
    costs = story_parts.fact_costs(last.tokens)
    lost = [name for name in guess if costs[name] > LOST * guess[name]]
    if not lost:
        return ""
    cost = "costs" if len(lost) == 1 else "cost"
    return (
        f"This person's {' and '.join(lost)} {cost} more than a guess after {last.exposures} readings. There the model "
        "leans to something wrong, and loses bits."
    )


def _tell_law(law: pd.DataFrame) -> str:
    often, rare = (law[law.exposures == n] for n in story_law.EXPOSURES)
    often_read, rarely_read = story_law.EXPOSURES
    small, large = often.iloc[0], often.iloc[-1]
    sizes, bits = large.n_parameters / small.n_parameters, large.bits_learned / small.bits_learned
    more = ": more per parameter" if bits > sizes else ""
    said = [
        f"The largest dot has {_times(sizes)} the parameters of the smallest, and {_times(bits)} the bits{more}. "
        f"After {often_read} readings they know {often.ratio.min():.2f} to {often.ratio.max():.2f} bits "
        "per parameter."
    ]
    if len(rare) and rare.ratio.median() < often.ratio.median():
        said.append(
            f"After {rarely_read} readings it is {rare.ratio.min():.2f} to {rare.ratio.max():.2f}. "
            "A fact that is read less often is kept less well."
        )
    theirs = story_law.paper_points()
    before = _paragraphs(
        "How much can larger models know? Each point is a size of model, and shows the one that learned most. "
        f"Dots are models that read every fact {often_read} times, and triangles {rarely_read} times. "
        "Along a dashed line, all models know the same number of bits per parameter, which stands at its end. "
        "On both axes, each tick is ten times the one before."
    )
    paper = (
        f"<p>{PAPER} asked this first, in 2024. Crosses are {len(theirs)} of their models after {often_read} "
        f"readings, read off their figure, with {format_short(theirs.n_parameters.min())} to "
        f"{format_short(theirs.n_parameters.max())} parameters. They know {theirs.ratio.min():.2f} to "
        f"{theirs.ratio.max():.2f} bits per parameter. This is the law: a model can know about 2 bits "
        "per parameter, whatever its size. A model of 7 billion parameters would then know 14 billion bits. "
        "The authors estimate that English Wikipedia and textbooks hold fewer.</p>\n"
    )
    return before + f"<figure>{story_law.draw_law(law)}</figure>\n" + _paragraphs(*said) + paper


def _tell_rounding(model: Model) -> str:
    full, *rounded = model.rounding
    steps = [_describe_step(f"{state.width} bits", state, full.bits_learned) for state in model.rounding]
    shares = [(state.width, state.bits_learned / full.bits_learned) for state in rounded]
    same = [width for width, share in shares if share >= KEPT]
    some = [f"{share:.0%} with {width} bits" for width, share in shares if 0 <= share < KEPT]
    said = []
    if same:
        said.append(
            f"With {min(same)} bits the model knows as much as with {full.width}, to within {1 - KEPT:.0%}."
        )
    if some:
        said.append(f"It keeps {', '.join(some)}.")
    if shares[-1][1] < 0:
        said.append(
            f"With {shares[-1][0]} bits it knows less than nothing: it is sure of so much that is wrong that a guess "
            "would be better."
        )
    before = _paragraphs(
        f"A parameter takes {full.width} bits of memory as trained, and holds "
        f"{full.bits_learned / model.n_parameters:.2f} bits of knowledge. So people round parameters: with 4 bits, "
        f"each can have only 2⁴ = 16 values. Here the layers of the model with {full.exposures} readings are rounded. "
        "The table of its words stays as it is, and nothing is trained again."
    )
    slider = story_parts.render_steps("rounding", "How many bits of memory does a parameter take?", steps)
    return before + slider + _paragraphs(" ".join(said))


def _tell_summary(model: Model) -> str:
    last = model.filling[-1]
    said = (
        "A bit is the answer to a yes-or-no question. A fact that is one of n holds log₂ n bits.",
        "A model knows what it saves against a guess.",
        f"Knowledge takes repetition, and room: {last.bits_learned / model.n_parameters:.2f} bits per parameter here, "
        f"after {last.exposures} readings.",
        "What parameters take in memory and what they know are different numbers.",
    )
    return f"<ul>{''.join(f'<li>{escape(one)}</li>' for one in said)}</ul>\n"


def _describe_step(label: str, state: State, whole: float) -> story_parts.Step:
    """A step of a slider. whole: bits that a full bar stands for."""
    known = f"{format_bits(state.bits_learned)} bits"
    return story_parts.Step(
        label, state.bits_learned / whole, known, story_parts.render_biography(state.tokens)
    )


def format_bits(bits: float) -> str:
    """1,234, or −5."""
    return f"{bits:z,.0f}".replace("-", "−")


def _times(factor: float) -> str:
    return f"{format_short(float(f'{factor:.2g}'))} times"


def _paragraphs(*texts: str) -> str:
    said = (escape(text).replace("log₂ ", "log₂&nbsp;") for text in texts if text)
    return "".join(f"<p>{text}</p>\n" for text in said)
