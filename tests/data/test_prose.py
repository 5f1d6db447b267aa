"""bioG: our own prose about a person, with the place of every fact."""

import random
import re
from collections import defaultdict
from itertools import pairwise

import pytest
from knowledge_capacity.data import prose
from knowledge_capacity.data.prose import (
    FORMS,
    N_RANDOM_WORDS,
    PRONOUNS,
    TOPIC,
    literal_words,
    make_skeleton,
    write_biography,
)
from knowledge_capacity.data.rewrites import FACTS, Rewrite
from knowledge_capacity.data.words import institutions, names, places
from knowledge_capacity.data.words import prose as phrases

N = 2000
GENDERED = re.compile(r"\b(he|his|him|himself|she|her|hers|herself)\b", re.IGNORECASE)
SLOT = re.compile(r"\{(\w+)\}")


def _person(source: random.Random) -> dict[str, str]:
    employer = source.randrange(len(institutions.EMPLOYERS))
    return {
        "name": " ".join(map(source.choice, (names.FIRST_NAMES, names.MIDDLE_NAMES, names.LAST_NAMES))),
        "birth_date": f"October {source.randint(1, 28)}, {source.randint(1900, 2099)}",
        "birth_city": source.choice(places.CITIES),
        "university": source.choice(institutions.UNIVERSITIES),
        "major": source.choice(institutions.MAJORS),
        "employer": institutions.EMPLOYERS[employer],
        "work_city": institutions.HEADQUARTERS[employer],
        "pronoun": source.choice(("he", "she")),
    }


def _words(source: random.Random) -> list[int]:
    return [source.getrandbits(32) for _ in range(N_RANDOM_WORDS)]


SOURCE = random.Random(0)  # noqa: S311
DRAWN = [(_person(SOURCE), _words(SOURCE)) for _ in range(N)]
TOLD = [(facts, write_biography(facts, words)) for facts, words in DRAWN]


def _without_facts(rewrite: Rewrite, blank: str) -> str:
    """The text with `blank` in place of every fact."""
    text, at = "", 0
    for _, start, stop in rewrite.spans:
        text += rewrite.text[at:start] + blank
        at = stop
    return text + rewrite.text[at:]


def test_spans_hold_the_facts_at_word_borders() -> None:
    for facts, rewrite in TOLD:
        text, spans = rewrite.text, rewrite.spans
        assert sorted(span.fact for span in spans) == sorted(FACTS)
        assert spans[0].fact == "name"
        assert all(before.stop < after.start for before, after in pairwise(spans))
        for fact, start, stop in spans:
            said = text[start:stop]
            assert said == facts[fact] or (
                fact == "pronoun" and said.lower() in PRONOUNS[facts[fact]].values()
            )
            assert start == 0 or text[start - 1] == " "
            assert text[stop] in " ,."


def test_nothing_but_the_spans_tells_a_fact() -> None:
    for facts, rewrite in TOLD:
        rest = _without_facts(rewrite, "_")
        assert not [fact for fact, value in facts.items() if fact != "pronoun" and value in rest]


def test_the_first_gendered_word_is_the_pronoun_and_all_agree() -> None:
    for facts, rewrite in TOLD:
        found = list(GENDERED.finditer(rewrite.text))
        pronoun = next(span for span in rewrite.spans if span.fact == "pronoun")
        assert found[0].span() == (pronoun.start, pronoun.stop)
        own = {"he": {"he", "his", "him"}, "she": {"she", "her"}}[facts["pronoun"]]
        assert {match[0].lower() for match in found} <= own


def test_the_name_is_in_the_first_sentence() -> None:
    for facts, rewrite in TOLD:
        assert "." not in rewrite.text[: rewrite.spans[0].start]
        assert rewrite.text.index(facts["name"]) < 60


def test_sentences_are_well_formed() -> None:
    for _, rewrite in TOLD:
        text = _without_facts(rewrite, "X")
        assert not re.search(r"  | [,.]|[,.]{2}|^ | $|[{}]|[.,][^ ]", text)
        assert text.endswith(".")
        sentences = text[:-1].split(". ")
        assert 2 <= len(sentences) <= 5
        assert all(sentence[0].isupper() for sentence in sentences)
        assert not re.search(r"\ba [aeiouAEIOU]|\ban [^aeiouAEIOU]|\ban? X", text)


def test_literals_are_the_words_between_facts() -> None:
    known = set(literal_words())
    for _, rewrite in TOLD:
        text = _without_facts(rewrite, " | ")
        assert set(re.findall(r"^\w+|[.,]| \w+", text)) <= known


def test_hardly_any_literal_is_never_said() -> None:
    source = random.Random(1)  # noqa: S311
    said = {word for pronouns in PRONOUNS.values() for word in pronouns.values()}
    for _ in range(20_000):
        said |= set(re.findall(r"[.,]|\w+", make_skeleton(_words(source))))
    assert len({word.strip() for word in literal_words()} - said) < 8


def test_wording_depends_on_the_random_words_alone() -> None:
    for (facts, words), (_, rewrite) in zip(DRAWN[:100], TOLD, strict=False):
        assert write_biography(dict(facts), tuple(words)) == rewrite
        blank = write_biography({**_person(random.Random(2)), "pronoun": facts["pronoun"]}, words)  # noqa: S311
        assert _without_facts(blank, "_") == _without_facts(rewrite, "_")
    for word in (0, 2**32 - 1):
        assert write_biography(DRAWN[0][0], [word] * N_RANDOM_WORDS).spans


def test_there_are_many_wordings() -> None:
    assert len({make_skeleton(words) for _, words in DRAWN[:1000]}) >= 995
    assert len({phrase for form in FORMS.values() for phrase in form}) > 500


@pytest.mark.parametrize("form", FORMS)
def test_no_phrase_is_there_twice(form: str) -> None:
    assert len(set(FORMS[form])) == len(FORMS[form])


def test_every_phrase_can_be_said() -> None:
    used = {phrase for row in prose._SENTENCES.values() for s in row for form in s.phrases for phrase in form}
    assert used == {phrase for form in FORMS.values() for phrase in form}


def test_employers_and_their_cities_come_in_both_orders() -> None:
    order = [[span.fact for span in rewrite.spans] for _, rewrite in TOLD]
    share = sum(facts.index("employer") < facts.index("work_city") for facts in order) / N
    assert 0.45 < share < 0.55


@pytest.mark.parametrize("fact", TOPIC)
def test_every_fact_can_stand_at_any_place(fact: str) -> None:
    places = [[s.fact for s in rewrite.spans if s.fact in TOPIC].index(fact) for _, rewrite in TOLD]
    assert all(places.count(i) > N / 30 for i in range(len(TOPIC)))


def test_phrases_are_plain_text_with_known_slots() -> None:
    every = [phrase for form in FORMS.values() for phrase in form]
    for phrase in [*every, *(t for row in (phrases.OPENERS, phrases.TAILS) for r in row.values() for t in r)]:
        assert set(SLOT.findall(phrase)) <= {*TOPIC, "name", "he", "his", "him"}
        assert phrase == " ".join(phrase.split())
        assert not set(SLOT.sub("", phrase)) - set("abcdefghijklmnopqrstuvwxyz ,")


def test_what_stands_before_a_fact_tells_which_it_is() -> None:
    """Else a model that knows the fact would still lose bits on it, to the wording."""
    after = defaultdict(set)
    for form in FORMS.values():
        for phrase in form:
            tokens = ["", *re.findall(r"\{\w+\}|\w+|,", phrase), "."]
            for i in range(1, len(tokens)):
                after[tuple(tokens[max(i - 5, 0) : i])].add(tokens[i])
    facts = {f"{{{fact}}}" for fact in TOPIC}
    unsure = {before: found for before, found in after.items() if found & facts and len(found) > 1}
    assert unsure == {}
