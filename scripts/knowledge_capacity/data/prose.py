"""bioG: biographies in free-running prose, written by a grammar of our own.

A plan shares out the six facts over two to five sentences, in any order that leaves at most one topic (birth,
study, work) to be taken up twice. A sentence puts phrases, each of which tells one to three facts, into a
shape, such as "{subject}, who ..., ...". The result is a skeleton, a text with slots for facts and pronouns;
what fills the slots has no influence on it.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise, permutations, product
from typing import NamedTuple, TypeVar

from .rewrites import Rewrite, Span
from .words import prose

N_RANDOM_WORDS = 24

TOPIC = {
    "birth_date": "birth",
    "birth_city": "birth",
    "university": "study",
    "major": "study",
    "employer": "work",
    "work_city": "work",
}
TIME = {"birth": 0, "study": 1, "work": 2}  # the order in which things happened
PRONOUNS = {
    "he": {"he": "he", "his": "his", "him": "him", "He": "He", "His": "His"},
    "she": {"he": "she", "his": "her", "him": "her", "He": "She", "His": "Her"},
}
_GAPS = {">": (1, 2), "+": (1,), "<": (-1, -2), "?": (1, 2, -1, -2)}  # in TIME, for each sign of a flow
MAX_PER_SENTENCE = 3
N_SENTENCES = (2, 3, 3, 3, 4, 4, 4, 5)  # equally likely

Facts = tuple[str, ...]
T = TypeVar("T")
_SLOT = re.compile(r"\{(\w+)\}")


class SentenceShape(NamedTuple):
    """How a sentence is put together of phrases; {0}, {1}, ... stand for them.

    forms: where each phrase is from. flow: how the topics of neighbouring phrases lie in time: ">" later,
    "+" the very next, "<" earlier, "?" anyhow; no two phrases of a sentence tell of one topic. weight: how
    likely the shape is, against the others that fit.
    """

    text: str
    forms: tuple[str, ...]
    flow: str = ""
    weight: int = 1


class Sentence(NamedTuple):
    """A shape with the phrases that can be put into it, and what can be put before it."""

    text: str
    phrases: tuple[tuple[str, ...], ...]
    openers: tuple[str, ...]


FORMS = {
    "plain": prose.PLAIN,
    "last": prose.PLAIN + prose.LONG,
    "solo": prose.SOLO,
    "noun": prose.NOUN,
    "participle": prose.PARTICIPLE,
    "having": prose.HAVING,
    "prepared": prose.PREPARED,
    "joined": prose.JOINED,
    "alone": prose.ALONE,
    "opening": prose.OPENING,
}
ANYWHERE = (
    SentenceShape("{subject} {0}", ("last",), weight=4),
    SentenceShape("{subject} {0}", ("solo",)),
    SentenceShape("{subject} {0} and {1}", ("plain", "last"), ">"),
    SentenceShape("{subject} {0}, and {{he}} {1}", ("plain", "last"), "+"),
    SentenceShape("{subject} {0}, {1}", ("plain", "having"), "<"),
    SentenceShape("{subject} {0} {1}", ("joined", "prepared"), "<"),
    SentenceShape("{subject} {0}, {1}, and {2}", ("plain", "plain", "last"), ">>"),
    SentenceShape("{subject} {0}, {1}, and {{he}} {2}", ("plain", "plain", "last"), ">>"),
)
FIRST = (
    *ANYWHERE,
    SentenceShape("{0}", ("opening",)),
    SentenceShape("this is the story of {subject}, who {0}", ("last",)),
    SentenceShape("here is a short portrait of {subject}, who {0}", ("last",)),
    SentenceShape("meet {subject}, who {0}", ("last",)),
    SentenceShape("meet {subject}, {0}, who {1}", ("noun", "last"), "?"),
    SentenceShape("{subject}, who {0}, {1}", ("plain", "last"), "?"),
    SentenceShape("{subject}, {0}, {1}", ("noun", "last"), "?"),
    SentenceShape("{subject}, {0}, {1}", ("participle", "last"), "?"),
    SentenceShape("{subject}, {0}, {1}", ("having", "last"), ">"),
    SentenceShape("{subject}, {0}, {1}", ("prepared", "joined"), ">"),
    SentenceShape("{subject}, who {0}, {1} and {2}", ("plain", "plain", "last"), "?>"),
    SentenceShape("{subject}, who {0} and {1}, {2}", ("plain", "plain", "last"), ">?"),
    SentenceShape("{subject}, {0}, {1} and {2}", ("noun", "plain", "last"), "?>"),
    SentenceShape("{subject}, {0}, {1} and {2}", ("participle", "plain", "last"), "?>"),
    SentenceShape("{subject}, {0}, {1}, {2}", ("noun", "plain", "having"), "?<"),
)
LATER = (
    *ANYWHERE,
    SentenceShape("{0}", ("alone",), weight=2),
    SentenceShape("{0}, and {{he}} {1}", ("alone", "last"), "+"),
    SentenceShape("{0}, and {1}", ("alone", "alone"), "+"),
    SentenceShape("{0}, {subject} {1}", ("noun", "last"), "?"),
    SentenceShape("{0}, {subject} {1}", ("participle", "last"), ">"),
    SentenceShape("{0}, {subject} {1}", ("having", "last"), ">"),
    SentenceShape("{0}, {subject} {1}", ("prepared", "joined"), ">"),
    SentenceShape("{0}, {subject} {1} and {2}", ("noun", "plain", "last"), "?>"),
    SentenceShape("{0}, {subject} {1} and {2}", ("participle", "plain", "last"), ">>"),
    SentenceShape("{0}, {subject} {1}, {2}", ("noun", "plain", "having"), "?<"),
)


def _facts_in_phrase(phrase: str) -> Facts:
    """The facts that a phrase tells, in order."""
    return tuple(slot for slot in _SLOT.findall(phrase) if slot in TOPIC)


def _topics_in_order(facts: Facts) -> list[str]:
    """The topics of neighbouring facts, in order."""
    topics = [TOPIC[fact] for fact in facts]
    return [topic for i, topic in enumerate(topics) if i == 0 or topic != topics[i - 1]]


def _split_facts(facts: Facts) -> Iterator[tuple[Facts, ...]]:
    """The facts as a whole, and cut in all ways into two or three parts of topics of their own."""
    yield (facts,)
    n = len(facts)
    cuts = [i for i in range(1, n) if TOPIC[facts[i - 1]] != TOPIC[facts[i]]]
    for i in cuts:
        yield facts[:i], facts[i:]
    if len(cuts) == 2:
        yield facts[:1], facts[1:2], facts[2:]


def _has_flow(flow: str, parts: tuple[Facts, ...]) -> bool:
    """Whether the topics of the parts differ and lie in time as a shape wants it."""
    times = [[TIME[topic] for topic in _topics_in_order(part)] for part in parts]
    every = [time for part in times for time in part]
    if len(set(every)) < len(every):
        return False
    gaps = [after[0] - before[-1] for before, after in pairwise(times)]
    return all(gap in _GAPS[way] for way, gap in zip(flow, gaps, strict=True))


def _build_sentences(facts: Facts, shapes: Sequence[SentenceShape]) -> tuple[Sentence, ...]:
    """All ways to tell the facts, in this order, in one sentence."""
    found = []
    for parts, shape in product(_split_facts(facts), shapes):
        if len(parts) != len(shape.forms) or not _has_flow(shape.flow, parts):
            continue
        phrases = tuple(_PHRASES.get((form, part), ()) for form, part in zip(shape.forms, parts, strict=True))
        if all(phrases):
            topics = _topics_in_order(facts)
            opened = shape.text == "{subject} {0}" and shape.forms == ("last",) and len(topics) == 1
            openers = _OPENERS[topics[0]] if opened else ("",)
            found += [Sentence(shape.text, phrases, openers)] * shape.weight
    return tuple(found)


def _build_plans() -> dict[int, list[tuple[Facts, ...]]]:
    """By the number of sentences, all ways to share out the facts; thrice if no topic is taken up again."""
    plans: dict[int, list[tuple[Facts, ...]]] = {n: [] for n in N_SENTENCES}
    for order, n in product(permutations(TOPIC), plans):
        n_runs = len(_topics_in_order(order))
        if n_runs > len(TIME) + 1:
            continue
        for sizes in product(range(1, MAX_PER_SENTENCE + 1), repeat=n):
            if sum(sizes) == len(order):
                ends = list(accumulate(sizes))
                plan = tuple(order[end - size : end] for size, end in zip(sizes, ends, strict=True))
                if all(_SENTENCES[i == 0, facts] for i, facts in enumerate(plan)):
                    plans[n] += [plan] * (3 if n_runs == len(TIME) else 1)
    return plans


def _add_empty_phrases(phrases: tuple[str, ...], once_in: int) -> tuple[str, ...]:
    """The phrases, and as many empty ones as make one of the phrases come up once in so many times."""
    return phrases + ("",) * (len(phrases) * (once_in - 1))


_PHRASES: dict[tuple[str, Facts], tuple[str, ...]] = {}
for _form, _phrases in FORMS.items():
    for _phrase in _phrases:
        _key = _form, _facts_in_phrase(_phrase)
        _PHRASES[_key] = (*_PHRASES.get(_key, ()), _phrase)
_OPENERS = {
    topic: _add_empty_phrases(tuple(f"{opener} " for opener in openers), 4)
    for topic, openers in prose.OPENERS.items()
}
_TAILS = {
    fact: _add_empty_phrases(tuple(f", {tail}" for tail in tails), 6) for fact, tails in prose.TAILS.items()
}
_SENTENCES = {
    (first, facts): _build_sentences(facts, FIRST if first else LATER)
    for n in range(1, MAX_PER_SENTENCE + 1)
    for facts in permutations(TOPIC, n)
    for first in (True, False)
}
_PLANS = _build_plans()


def make_skeleton(random: Sequence[int]) -> str:
    """A biography with {slots} for its facts and pronouns. random: as for `write_biography`."""
    numbers = iter(random)

    def pick(options: Sequence[T]) -> T:
        return options[(next(numbers) * len(options)) >> 32]

    text = ""
    for facts in pick(_PLANS[pick(N_SENTENCES)]):
        sentence = pick(_SENTENCES[text == "", facts])
        told = sentence.text.format(*map(pick, sentence.phrases), subject="{he}" if text else "{name}")
        if text:
            told = pick(sentence.openers) + told
        if told.endswith("}"):
            told += pick(_TAILS[told[told.rindex("{") + 1 : -1]])
        text += f" {_capitalize_sentence(told)}." if text else f"{_capitalize_sentence(told)}."
    return text


def _capitalize_sentence(told: str) -> str:
    """A sentence with a capital at its beginning, be it a slot or not. A name has one already."""
    if told.startswith("{name}"):
        return told
    first = 1 if told[0] == "{" else 0
    return told[:first] + told[first].upper() + told[first + 1 :]


def write_biography(facts: dict[str, str], random: Sequence[int]) -> Rewrite:
    """A biography of a person.

    facts: the text of each of rewrites.FACTS; pronoun is "he" or "she". random: N_RANDOM_WORDS independent
    uniform integers in [0, 2^32), which settle the wording.
    """
    literal, *rest = _SLOT.split(make_skeleton(random))
    pronouns = PRONOUNS[facts["pronoun"]]
    texts, spans, at = [literal], [], len(literal)
    pronoun_told = False
    for slot, literal in zip(rest[::2], rest[1::2], strict=True):
        if slot in pronouns:
            value = pronouns[slot]
            if not pronoun_told:
                spans.append(Span("pronoun", at, at + len(value)))
                pronoun_told = True
        else:
            value = facts[slot]
            spans.append(Span(slot, at, at + len(value)))
        texts += value, literal
        at += len(value) + len(literal)
    return Rewrite("".join(texts), tuple(spans))


def literal_words() -> list[str]:
    """Every word and punctuation mark that can stand outside of the facts, as it is written there.

    A word comes with a space before it, and without one too if it can be the first of a biography.
    """
    tails = [f", {tail}." for row in prose.TAILS.values() for tail in row]
    inside = [phrase for form, row in FORMS.items() for phrase in row if form != "opening"] + tails
    first = [shape.text for shape in FIRST] + _initial_phrases(FIRST)
    later = [shape.text for shape in LATER] + _initial_phrases(LATER) + ["{he}"]
    openers = [opener for row in prose.OPENERS.values() for opener in row]
    every = [*inside, *map(_capitalize_sentence, first + later + openers)]
    words = {f" {word}" if word.isalnum() else word for text in every for word in _split_words(text)}
    return sorted(words | {_capitalize_sentence(text).split()[0] for text in first if text[0] != "{"})


def _initial_phrases(shapes: Sequence[SentenceShape]) -> list[str]:
    """The phrases that can be the first of a sentence."""
    return [phrase for shape in shapes if shape.text.startswith("{0}") for phrase in FORMS[shape.forms[0]]]


def _split_words(text: str) -> Iterator[str]:
    """The words and punctuation marks between the facts of a text, and the pronouns of both genders."""
    said = text.replace("{{he}}", "{he}")
    for pronouns in PRONOUNS.values():
        for literal in _SLOT.split(said)[::2]:
            yield from re.findall(r"[.,]|[^\s.,]+", literal)
        yield from (pronouns[slot] for slot in _SLOT.findall(said) if slot in pronouns)
