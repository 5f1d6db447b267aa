"""The data card: closed forms by arithmetic, true spans, and a page that hostile text cannot break."""

import ast
import json
import math
import operator
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest
from knowledge_capacity.data import corpus, pools, tokenizer
from knowledge_capacity.data.card import make_data_card
from knowledge_capacity.data.card_page import render_page
from knowledge_capacity.data.pieces import Term
from knowledge_capacity.data.stream import Stream
from knowledge_capacity.data.strings import BioDSource
from knowledge_capacity.specs import BioD, BioS, Dataset, Pools

SMALL = Pools(4, 4, 5, birth_years=4, cities=8, universities=6, majors=5, employers=9)
N = 23
BIOS = BioS(n_people=N, pools=SMALL)
BIOD = BioD(n_people=N, attributes=3, chunks=2, diversity=6, length=2, symbols=5, pools=SMALL)
DATASETS = pytest.mark.parametrize("dataset", [BIOS, BIOD], ids=["bioS", "bioD"])
COUNTED = {"birth_date", "birth_city", "university", "major", "employer", "pronoun"}

StreamOf = Callable[[Dataset, int], Stream]


@pytest.fixture(scope="session")
def card_of(stream_of: StreamOf) -> Callable[[Dataset], dict[str, Any]]:
    """The card of a dataset with seed 0."""

    def make(dataset: Dataset) -> dict[str, Any]:
        return make_data_card(
            stream_of(dataset, 0), tokenizer.make_word_tokenizer(corpus.vocabulary_texts(dataset))
        )

    return make


CardOf = Callable[[Dataset], dict[str, Any]]


class Page(HTMLParser):
    """What a browser sees: tags, the text outside style sheets, and each mark's class, title and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.text, self.inside = "", ""
        self.marks: list[dict[str, str | None]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.inside = tag
        if tag == "mark":
            self.marks.append({**dict(attrs), "text": ""})

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside == "mark":
            self.marks[-1]["text"] = data
        if self.inside != "style":
            self.text += data


def joined(segments: list[dict[str, Any]]) -> str:
    return "".join(segment["text"] for segment in segments)


def per_person(made: dict[str, Any]) -> dict[str, float]:
    return {row["term"]: row["per_person"] for row in made["bits"]}


def entropies(made: dict[str, Any]) -> dict[str, float]:
    return {row["field"]: row["entropy"] for row in made["pools"]}


@DATASETS
def test_bits_sum_to_those_of_the_dataset(card_of: CardOf, dataset: Dataset) -> None:
    made = card_of(dataset)
    assert made["bits_max"] == pytest.approx(dataset.bits_max, rel=1e-12)
    assert made["bits_per_person"] == pytest.approx(dataset.bits_max / N, rel=1e-12)
    for row in made["bits"]:
        assert row["total"] == pytest.approx(N * row["per_person"], rel=1e-12)


@DATASETS
def test_formulas_say_what_is_counted(card_of: CardOf, dataset: Dataset) -> None:
    for row in card_of(dataset)["bits"]:
        formula = row["formula"].replace(",", "").replace("·", "*").replace("^", "**")
        assert value(ast.parse(formula, mode="eval").body) == pytest.approx(row["per_person"], rel=1e-12)


def value(node: ast.expr) -> float:
    """What a formula of numbers, * / ** and log2 comes to."""
    match node:
        case ast.Constant(value=int(number)):
            return number
        case ast.BinOp(left=left, op=op, right=right):
            operations = {ast.Mult: operator.mul, ast.Div: operator.truediv, ast.Pow: operator.pow}
            return float(operations[type(op)](value(left), value(right)))
        case ast.Call(func=ast.Name(id="log2"), args=[argument]):
            return math.log2(value(argument))
    raise AssertionError(f"not a formula: {ast.dump(node)}")


def test_the_papers_people_hold_61_56_bits_each(card_of: CardOf) -> None:
    made = card_of(BioS(n_people=10_000))
    assert round(made["bits_per_person"], 2) == 61.56
    assert per_person(made) == pytest.approx(
        {
            "name": math.log2(16_000),
            "birth_date": math.log2(67_200),
            "birth_city": math.log2(200),
            "university": math.log2(300),
            "major": math.log2(100),
            "employer": math.log2(263),
            "pronoun": 1,
        }
    )


def test_bits_of_biod(card_of: CardOf) -> None:
    expected = {
        "name": math.log2(80 / N),
        "values": 3 * 2 * math.log2(6),
        "sets": 3 * 6 * math.log2(25 / 6) / N,
    }
    assert per_person(card_of(BIOD)) == pytest.approx(expected)


def test_entropies_of_uniform_pools_are_those_of_their_values(card_of: CardOf) -> None:
    found = entropies(card_of(BIOS))
    for field, texts in pools.pool_values(SMALL).items():
        assert len(set(texts)) == len(texts)
        assert found[field] == math.log2(len(texts))
    assert found["name"] == pytest.approx(found["first_name"] + found["middle_name"] + found["last_name"])


def test_the_entropy_of_the_city_of_work_is_that_of_headquarters(card_of: CardOf) -> None:
    made = card_of(BIOS)
    row = next(row for row in made["pools"] if row["field"] == "work_city")
    cities = Counter(pools.headquarters_cities(SMALL))
    assert row["values"] == len(cities)
    assert row["entropy"] == pytest.approx(sum(n / 9 * math.log2(9 / n) for n in cities.values()))
    assert row["entropy"] <= entropies(made)["employer"]  # as a function of it must
    assert "function of the employer" in row["note"]
    assert "work_city" not in per_person(made)  # so it adds nothing


def test_entropies_of_biod(card_of: CardOf) -> None:
    found = entropies(card_of(BIOD))
    assert set(found) == {"first_name", "middle_name", "last_name", "name", "string", "symbol"}
    assert (found["string"], found["symbol"]) == (math.log2(6), math.log2(5))


@DATASETS
def test_tokens_are_those_of_the_stream(stream_of: StreamOf, card_of: CardOf, dataset: Dataset) -> None:
    stream, tokens = stream_of(dataset, 0), card_of(dataset)["tokens"]
    lengths = stream.assemble(stream.pieces(0, N)).lengths.tolist()
    assert tokens == {
        "biographies_counted": N,
        "per_biography_mean": sum(lengths) / N,
        "per_biography_shortest": min(lengths),
        "per_biography_longest": max(lengths),
        "per_exposure": sum(lengths),
        "vocabulary": tokenizer.make_word_tokenizer(corpus.vocabulary_texts(dataset)).get_vocab_size(),
        "exposures_counted": 10,
        "vocabulary_used": len(stream.assemble(stream.pieces(0, 10 * N)).tokens.unique()),
    }
    assert tokens["per_biography_mean"] == stream.mean_length()


def test_counts_do_not_depend_on_how_the_stream_is_cut(
    monkeypatch: pytest.MonkeyPatch, card_of: CardOf
) -> None:
    whole = card_of(BIOS)
    monkeypatch.setattr("knowledge_capacity.data.card.CHUNK", 7)
    assert card_of(BIOS) == whole
    monkeypatch.setattr("knowledge_capacity.data.card.COUNTED", 10)
    assert card_of(BIOS)["tokens"]["biographies_counted"] == 10


@DATASETS
def test_segments_joined_are_the_biographies(stream_of: StreamOf, card_of: CardOf, dataset: Dataset) -> None:
    stream, biographies = stream_of(dataset, 0), card_of(dataset)["biographies"]
    assert [joined(segments) for segments in biographies] == stream.text(stream.pieces(0, 10))
    for segments in biographies:
        terms = [segment["term"] for segment in segments]
        assert all(one != other for one, other in pairwise(terms))  # spans are whole
        assert all(segment["text"] for segment in segments)


def test_spans_of_bios_hold_the_facts_of_the_person(stream_of: StreamOf, card_of: CardOf) -> None:
    stream, texts = stream_of(BIOS, 0), pools.pool_values(SMALL)
    person = {}
    for codes in stream.source.codes.tolist():
        fields = pools.NAME_FIELDS + pools.FACT_FIELDS
        p = {field: texts[field][code] for field, code in zip(fields, codes, strict=True)}
        work_city = texts["birth_city"][pools.headquarters_cities(SMALL)[codes[fields.index("employer")]]]
        person[f"{p['first_name']} {p['middle_name']} {p['last_name']}"] = {
            "birth_date": f" {p['birth_month']} {p['birth_day']}, {p['birth_year']}",
            **{field: f" {p[field]}" for field in ("birth_city", "university", "major", "employer")},
            "work_city": f" {work_city}",
            "pronoun": f" {p['pronoun'].capitalize()}",
        }
    for segments in card_of(BIOS)["biographies"]:
        spans = Counter(segment["term"] for segment in segments if segment["term"])
        assert spans == Counter({"name", "work_city", *COUNTED})  # each exactly once
        told = {segment["term"]: segment["text"] for segment in segments if segment["term"]}
        assert told == {"name": told["name"], **person[told["name"]]}


def test_spans_of_biod_hold_the_strings_of_the_person(stream_of: StreamOf, card_of: CardOf) -> None:
    stream, texts = stream_of(BIOD, 0), pools.pool_values(SMALL)
    source = stream.source
    assert isinstance(source, BioDSource)
    strings = ["".join(f" s{symbol}" for symbol in string) for string in source.strings.tolist()]
    person = {}
    for codes in stream.source.codes.tolist():
        name = " ".join(texts[f][c] for f, c in zip(pools.NAME_FIELDS, codes[:3], strict=True))
        person[name] = {
            str(k + 1): [strings[k * BIOD.diversity + codes[3 + 2 * k + c]] for c in range(2)]
            for k in range(3)
        }
    for segments in card_of(BIOD)["biographies"]:
        assert segments[0]["term"] == "name"
        told: dict[str, list[str]] = {}
        for before, segment in pairwise(segments):
            if segment["term"] == "first_chunk":
                told[re.findall(r"ID (\d) is$", before["text"])[0]] = [segment["text"]]
            elif segment["term"] == "other_chunks":
                told[list(told)[-1]].append(segment["text"])
        assert told == person[segments[0]["text"]]


@DATASETS
def test_cards_are_deterministic_and_survive_json(card_of: CardOf, dataset: Dataset) -> None:
    made = card_of(dataset)
    assert made == card_of(dataset)
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    assert made["spec"] == asdict(dataset)
    assert (made["slug"], made["seed"]) == (dataset.slug, 0)
    assert render_page(json.loads(json.dumps(made))) == render_page(made)


def test_a_dataset_of_one_person_has_a_card(card_of: CardOf) -> None:
    made = card_of(BioS(n_people=1, pools=Pools(1, 1, 1, 1, 1, 1, 1, 1), templates=1))
    assert made["bits_per_person"] == pytest.approx(math.log2(12 * 28 * 2))
    assert len(made["biographies"]) == 10
    assert "0.00" in render_page(made)


@DATASETS
def test_the_page_marks_every_span_and_needs_nothing_else(card_of: CardOf, dataset: Dataset) -> None:
    made = card_of(dataset)
    source = render_page(made)
    page = Page(source)
    spans = [segment for segments in made["biographies"] for segment in segments if segment["term"]]
    marks = page.marks[-len(spans) :]
    assert [(mark["class"], mark["text"]) for mark in marks] == [
        (s["term"], s["text"].strip()) for s in spans
    ]
    assert all(mark["title"] for mark in page.marks)
    legend = page.marks[: -len(spans)]
    assert Counter(mark["class"] for mark in legend) == Counter({span["term"] for span in spans})
    for term in {span["term"] for span in spans}:
        assert f"mark.{term} {{" in source
        assert Term[term.upper()]
    for segments in made["biographies"]:
        assert joined(segments) in page.text  # marks leave the text as it is
    assert f"{made['bits_max']:,.1f}" in page.text
    assert not page.tags.keys() & {"script", "link", "img", "iframe"}
    assert not re.search(r"https?:|url\(|@import", source)


def test_hostile_text_stays_text(card_of: CardOf) -> None:
    hostile = "\"><script>alert(1)</script><b x='&amp;"
    plain = card_of(BIOS)
    made = json.loads(json.dumps(plain))
    made["slug"] = made["spec"]["tokenizer"] = hostile
    made["bits"][0]["term"] = made["bits"][0]["formula"] = hostile
    made["pools"][0]["field"] = made["pools"][0]["note"] = hostile
    made["biographies"][0] = [{"text": hostile, "term": "name"}, {"text": hostile, "term": None}]
    made["biographies"][1] = [{"text": hostile, "term": hostile}]
    page, before = Page(render_page(made)), Page(render_page(plain))
    removed = sum(segment["term"] is not None for two in plain["biographies"][:2] for segment in two)
    assert page.tags == before.tags - Counter(mark=removed) + Counter(mark=2)
    assert page.text.count(hostile) == 2 + 1 + 2 + 2 + 2 + 1
