"""Biographies put together from pieces: what every one of them says, and how."""

import math
import re
from collections import Counter
from collections.abc import Callable
from itertools import groupby

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from knowledge_capacity.data import people, pools
from knowledge_capacity.data.bios import ATTRIBUTES, BioSSource
from knowledge_capacity.data.counter import Purpose, random_words
from knowledge_capacity.data.pieces import END, Pieces, Term
from knowledge_capacity.data.stream import Stream
from knowledge_capacity.data.strings import BioDSource
from knowledge_capacity.data.words.templates import TEMPLATES
from knowledge_capacity.specs import BioD, BioS, Dataset, Pools

SMALL = Pools(4, 4, 5, birth_years=4, cities=8, universities=6, majors=5, employers=9)
BIOS = [
    BioS(n_people=40, pools=SMALL, templates=1),
    BioS(n_people=40, templates=4),
    BioS(n_people=40, pools=SMALL, templates=17),
    BioS(n_people=40, templates=50),
]
BIOD = [
    BioD(n_people=40, attributes=1, chunks=1, diversity=2, length=1, symbols=2, pools=SMALL),
    BioD(n_people=40, attributes=5, chunks=1, diversity=20, length=3, symbols=9, pools=SMALL),
    BioD(n_people=40, attributes=3, chunks=4, diversity=7, length=2, symbols=12),
]
NOBODY = torch.zeros(0, 11, dtype=torch.int16)  # where wording alone is looked at
N = 200  # biographies looked at: five exposures of everyone

StreamOf = Callable[[Dataset, int], Stream]
Spans = list[tuple[Term, list[str]]]

every_bios = pytest.mark.parametrize("dataset", BIOS, ids=lambda d: f"templates{d.templates}")
every_biod = pytest.mark.parametrize("dataset", BIOD, ids=lambda d: d.slug)
every_dataset = pytest.mark.parametrize("dataset", [*BIOS, *BIOD], ids=lambda d: d.slug)


def spelled(tokens: list[str]) -> str:
    """Tokens as they stand in text."""
    return re.sub(r" ([.,]|'s)", r"\1", " ".join(tokens))


def as_tokens(text: str) -> list[str]:
    """Text cut where the tokenizer has to cut it, without asking it."""
    return re.sub(r"('s\b|[.,])", r" \1", text).split()


def who(stream: Stream, n: int = N) -> list[list[int]]:
    """The codes of whom each of the first n biographies is about, recognised by the name in its text."""
    assert isinstance(stream.dataset, BioS | BioD)
    texts = pools.pool_values(stream.dataset.pools)
    by_name = {
        tuple(texts[f][c] for f, c in zip(pools.NAME_FIELDS, row[:3], strict=True)): row
        for row in stream.source.codes.tolist()
    }
    found = []
    for spans in told(stream, n):
        name = next(tokens for term, tokens in spans if term == Term.NAME)
        found.append(by_name[name[0], name[1], name[2]])
    return found


def told(stream: Stream, n: int = N) -> list[Spans]:
    """For each of the first n biographies, the stretches of tokens with the same term, in order."""
    encoder = stream_tokens(stream)
    biographies = stream.assemble(stream.pieces(0, n))
    cut = biographies.lengths.tolist()
    found = []
    for tokens, terms in zip(biographies.tokens.split(cut), biographies.terms.split(cut), strict=True):
        pairs = zip(terms.tolist(), tokens.tolist(), strict=True)
        spans = groupby(pairs, key=lambda pair: pair[0])
        found.append([(Term(term), [encoder[t] for _, t in span]) for term, span in spans])
    return found


def stream_tokens(stream: Stream) -> dict[int, str]:
    """The word of every token, learnt from pieces and their texts."""
    found = {stream.end_token: "<|endoftext|>"}
    for phrase in stream.pieces(0, N).unique().tolist():
        if phrase != END:
            tokens = stream.assemble(torch.tensor([[phrase]])).tokens.tolist()
            text = stream.text(torch.tensor([[phrase]]))[0]
            found |= dict(zip(tokens, as_tokens(text), strict=True))
    return found


def only(spans: Spans, term: Term) -> list[str]:
    """The tokens of the only span of a term."""
    (tokens,) = [tokens for one, tokens in spans if one == term]
    return tokens


@every_dataset
def test_the_text_says_what_the_tokens_say(stream_of: StreamOf, dataset: Dataset) -> None:
    stream = stream_of(dataset, 0)
    pieces = stream.pieces(0, N)
    biographies = stream.assemble(pieces)
    tokens = [one.tolist() for one in biographies.tokens.split(biographies.lengths.tolist())]
    words_of = stream_tokens(stream)
    for text, ids in zip(stream.text(pieces), tokens, strict=True):
        assert text == text.strip()
        assert "  " not in text
        assert ids[-1] == stream.end_token
        assert stream.end_token not in ids[:-1]
        assert [words_of[i] for i in ids[:-1]] == as_tokens(text)


@every_bios
def test_a_biography_tells_each_fact_once_in_six_sentences(stream_of: StreamOf, dataset: BioS) -> None:
    stream = stream_of(dataset, 0)
    texts = pools.pool_values(dataset.pools)
    homes = pools.headquarters_cities(dataset.pools)
    plain = stream.text(stream.pieces(0, N))
    for row, spans, text in zip(who(stream), told(stream), plain, strict=True):
        first, middle, last, month, day, year, city, university, major, employer, _ = row
        assert spelled(only(spans, Term.NAME)) == (
            f"{texts['first_name'][first]} {texts['middle_name'][middle]} {texts['last_name'][last]}"
        )
        assert spelled(only(spans, Term.BIRTH_DATE)) == (
            f"{texts['birth_month'][month]} {texts['birth_day'][day]}, {texts['birth_year'][year]}"
        )
        assert spelled(only(spans, Term.BIRTH_CITY)) == texts["birth_city"][city]
        assert spelled(only(spans, Term.UNIVERSITY)) == texts["university"][university]
        assert spelled(only(spans, Term.MAJOR)) == texts["major"][major]
        assert spelled(only(spans, Term.EMPLOYER)) == texts["employer"][employer]
        assert spelled(only(spans, Term.WORK_CITY)) == texts["birth_city"][homes[employer]]

        sentences = text.removesuffix(".").split(". ")
        assert len(sentences) == 6
        assert text.count(".") == 6
        for term in range(Term.BIRTH_DATE, Term.WORK_CITY + 1):
            value = spelled(only(spans, Term(term)))
            assert any(f" {value} " in f" {sentence} " for sentence in sentences)


@every_bios
def test_the_full_name_stands_in_the_first_sentence_and_pronouns_after_it(
    stream_of: StreamOf, dataset: BioS
) -> None:
    stream = stream_of(dataset, 0)
    plain = stream.text(stream.pieces(0, N))
    for row, spans, text in zip(who(stream), told(stream), plain, strict=True):
        name = " ".join(only(spans, Term.NAME))
        first, *others = text.removesuffix(".").split(". ")
        assert name in first
        assert text.count(name) == 1
        assert not {"He", "She", "he", "she"} & set(as_tokens(first))
        pronoun = pools.PRONOUNS[row[-1]].capitalize()
        for sentence in others:
            assert as_tokens(sentence)[0] == pronoun
            assert [w for w in as_tokens(sentence) if w in {"He", "She", "he", "she"}] == [pronoun]
        assert only(spans, Term.PRONOUN) == [pronoun]
        # it is the first one that counts, since the later ones follow from it
        before = spans[: [term for term, _ in spans].index(Term.PRONOUN)]
        assert not {"He", "She", "he", "she"} & {w for _, tokens in before for w in tokens}


@every_biod
def test_a_biod_biography_tells_every_attribute_once(stream_of: StreamOf, dataset: BioD) -> None:
    stream = stream_of(dataset, 1)
    symbols = people.draw_string_sets(dataset, 1).tolist()
    texts = pools.pool_values(dataset.pools)
    orders = set()
    for row, text in zip(who(stream), stream.text(stream.pieces(0, N)), strict=True):
        name = " ".join(texts[f][c] for f, c in zip(pools.NAME_FIELDS, row[:3], strict=True))
        sentences = text.removesuffix(".").split(". ")
        found = {}
        for place, sentence in enumerate(sentences):
            match = re.fullmatch(r"(.+) ID ([0-9]+) is (.+)", sentence)
            assert match
            assert match[1] == ("Their" if place else f"{name}'s")
            found[int(match[2]) - 1] = match[3].split(", ")
        assert len(found) == len(sentences) == dataset.attributes
        orders.add(tuple(found))
        values = torch.tensor(row[3:]).view(dataset.attributes, dataset.chunks).tolist()
        for attribute, chunks in found.items():
            assert chunks == [
                " ".join(f"s{symbol}" for symbol in symbols[attribute][code]) for code in values[attribute]
            ]
    # 200 draws miss one of 3! orders with p < 1e-15, and hit 97 ± 5 of the 5! = 120
    assert len(orders) >= min(math.factorial(dataset.attributes), 70)


@every_biod
def test_biod_terms_tell_first_chunks_from_others(stream_of: StreamOf, dataset: BioD) -> None:
    stream = stream_of(dataset, 1)
    for spans, text in zip(told(stream), stream.text(stream.pieces(0, N)), strict=True):
        values = [sentence.split(" is ")[1].split(", ") for sentence in text.removesuffix(".").split(". ")]
        assert [" ".join(t) for term, t in spans if term == Term.FIRST_CHUNK] == [v[0] for v in values]
        others = [" ".join(t) for term, t in spans if term == Term.OTHER_CHUNKS]
        assert others == [chunk for value in values for chunk in value[1:]]
        assert len(only(spans, Term.NAME)) == 3
        assert {term for term, _ in spans} <= {
            Term.NONE,
            Term.NAME,
            Term.FIRST_CHUNK,
            Term.OTHER_CHUNKS,
        }


@pytest.mark.parametrize("templates", [1, 2, 7, 50])
def test_sentence_orders_and_templates_are_uniform(templates: int) -> None:
    n = 30_000
    composer = BioSSource(BioS(n_people=n, pools=SMALL, templates=templates), 0, NOBODY)
    order, chosen = composer.wording(random_words(0, Purpose.WORDING, torch.arange(n)))
    assert torch.equal(order.sort(dim=1).values, torch.arange(6).expand(n, 6))
    orders = Counter(map(tuple, order.tolist()))
    assert len(orders) == 720
    assert_uniform(torch.tensor(list(orders.values())).double())
    assert chosen.shape == (n, 6)
    for column in chosen.T:
        counts = torch.bincount(column, minlength=templates).double()
        assert len(counts) == templates
        assert_uniform(counts)


def test_the_templates_of_different_sentences_are_independent() -> None:
    """Three of them come from one random word, so this is not plain from how they are drawn."""
    n, templates = 30_000, 7
    composer = BioSSource(BioS(n_people=n, pools=SMALL, templates=templates), 0, NOBODY)
    order, chosen = composer.wording(random_words(0, Purpose.WORDING, torch.arange(n)))
    for a in range(6):
        assert_uniform(torch.bincount(order[:, 0] * templates + chosen[:, a], minlength=6 * templates))
        for b in range(a):
            assert_uniform(torch.bincount(chosen[:, a] * templates + chosen[:, b], minlength=templates**2))


def test_the_templates_used_are_the_first_ones(stream_of: StreamOf) -> None:
    stream = stream_of(BIOS[2], 0)
    found = {
        re.sub(r"[A-Z][a-z]+ [0-9]{1,2}, [0-9]{4}", "{value}", re.sub(r"^(He|She) ", "{subject} ", sentence))
        for text in stream.text(stream.pieces(0, 2000))
        for sentence in text.removesuffix(".").split(". ")[1:]
    }
    dates = {sentence for sentence in found if "{value}" in sentence}
    assert dates == {template.removesuffix(".") for template in TEMPLATES["birth_date"][:17]}


@given(seed=st.integers(0, 2**31 - 1))
def test_biod_orders_are_permutations(seed: int) -> None:
    composer = BioDSource(BIOD[1], 0, NOBODY)
    order = composer.wording(random_words(seed, Purpose.WORDING, torch.arange(50), n=5))
    assert torch.equal(order.sort(dim=1).values, torch.arange(5).expand(50, 5))


def test_biod_orders_are_uniform() -> None:
    composer = BioDSource(BIOD[1], 0, NOBODY)
    order = composer.wording(random_words(0, Purpose.WORDING, torch.arange(24_000), n=5))
    assert_uniform(torch.tensor(list(Counter(map(tuple, order.tolist())).values())), size=120)


def test_attributes_are_those_of_the_metric() -> None:
    assert [Term[name.upper()] for name in ATTRIBUTES] == [
        Term.BIRTH_DATE,
        Term.BIRTH_CITY,
        Term.UNIVERSITY,
        Term.MAJOR,
        Term.EMPLOYER,
        Term.WORK_CITY,
    ]


@every_dataset
def test_pieces_do_not_depend_on_the_seed(stream_of: StreamOf, dataset: Dataset) -> None:
    ours, theirs = (stream_of(dataset, seed).source.pieces for seed in (0, 1))
    assert isinstance(ours, Pieces)
    assert isinstance(theirs, Pieces)
    assert ours.texts == theirs.texts


def assert_uniform(counts: torch.Tensor, size: int | None = None) -> None:
    """Chi-square within five standard deviations of what a uniform draw gives."""
    assert len(counts) == (size or len(counts))
    expected = float(counts.sum()) / len(counts)
    freedom = len(counts) - 1
    chi_square = float(((counts.double() - expected) ** 2 / expected).sum())
    assert abs(chi_square - freedom) <= 5 * math.sqrt(2 * freedom)
