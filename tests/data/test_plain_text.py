"""What is taken off an answer, and what is rejected: the text of a biography is stored as it stands, or not at all."""

import json
import random
from collections import Counter
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from knowledge_capacity.data import llm, people, prose
from knowledge_capacity.data.plain_text import NoBiography, take_off_wrapping
from knowledge_capacity.data.replies import Answer
from knowledge_capacity.data.rewrites import Rewrite
from knowledge_capacity.specs import BioR

DATASET = BioR(n_people=300, model="a-model")
FACTS = list(people.decode_facts(DATASET, people.draw_all_people(DATASET, 0)))


def told(person: int) -> str:
    """A sound text about a person."""
    random_words = random.Random(person)  # noqa: S311
    words = [random_words.getrandbits(32) for _ in range(prose.N_RANDOM_WORDS)]
    return prose.write_biography(FACTS[person], words).text


TEXT, NAME = told(0), FACTS[0]["name"]
ALL = "1. " + "\n2. ".join(FACTS[0].values())  # a draft that tells every fact
CLEAN = {
    "reasoning": f"<think>\n{ALL}\n</think>\n\n{TEXT}",
    "reasoning whose start stands in the prompt": f"{ALL}\n</think>\n\n{TEXT}",
    "reasoning twice": f"<think>{ALL}</think><think>Again: {ALL}</think>{TEXT}",
    "reasoning by another name": f"<seed:thinking>{ALL}</seed:thinking>{TEXT}",
    "reasoning in brackets": f"[THINK]{ALL}[/THINK]{TEXT}",
    "channels": f"<|channel|>analysis<|message|>{ALL}<|end|><|start|>assistant"
    f"<|channel|>final<|message|>{TEXT}<|return|>",
    "a heading": f"# Biography\n\n{TEXT}",
    "a heading underlined": f"{NAME}\n=====\n{TEXT}",
    "a heading in bold": f"**Biography of {NAME}**\n\n{TEXT}",
    "a title without marks": f"The Life of {NAME}\n\n{TEXT}",
    "a preface": f"Sure, here is the biography:\n\n{TEXT}",
    "a label": f"Biography: {TEXT}",
    "JSON": json.dumps({"biography": TEXT}),
    "JSON in a list": json.dumps([{"text": TEXT}], indent=2),
    "JSON in a fence": f"```json\n{json.dumps({'answer': TEXT})}\n```",
    "a fence": f"```\n{TEXT}\n```",
    "tags": f"<biography>\n{TEXT}\n</biography>",
    "a paragraph of HTML": f"<p class='bio'>{TEXT}</p>",
    "bold and italics": TEXT.replace(NAME, f"**{NAME}**").replace("She", "*She*"),
    "bold, underlined": f"__{TEXT}__",
    "a special token after it": f"{TEXT}<|im_end|>",
    "special tokens around it": f"<|im_start|>assistant\n{TEXT}</s>",
    "another turn": f"{TEXT}<end_of_turn>\n<start_of_turn>user\nThank you! And the next one, please.",
    "a note": f"{TEXT}\n\nNote: I used every fact once.",
    "a note after a rule": f"{TEXT}\n\n---\n\n*(Word count: 80)*",
    "an offer": f"{TEXT}\n\nLet me know if you would like changes!",
    "quotes": f"“{TEXT}”",
    "marks that nobody sees": "\ufeff" + TEXT.replace(" ", " \u200b"),
    "other spaces": TEXT.replace(" ", "\u00a0"),
    "letters of HTML": TEXT.replace(" ", "&#32;"),
    "several paragraphs": TEXT.replace(". ", ".\n\n"),
}
REJECTED = {
    "unfinished reasoning": [f"<think>{ALL}", f"<thinking>\n{ALL}\n{TEXT}", f"<|channel|>analysis<|message|>{TEXT}"],
    "JSON": [json.dumps({"name": NAME, "text": TEXT}), '{"biography": "' + TEXT, json.dumps([TEXT, TEXT])],
    "markup": [f"{TEXT} <br> {TEXT}", TEXT.replace(NAME, f"[{NAME}](https://example.org)"), f"{TEXT} **Done."],
    "a list": ["- " + TEXT.replace(". ", ".\n- "), f"{NAME}\n\n{ALL}."],
    "broken letters": [f"{TEXT} \ud83d", TEXT.replace("a", "\ufffd", 1), TEXT.replace(" ", "\x07"), f"\udc00{TEXT}"],
    "special tokens": [TEXT.replace(NAME, f"{NAME}<|fim_middle|>"), f"{TEXT} [INST] {TEXT}"],
    "unfinished sentence": [TEXT[:-1], TEXT[:-20], f"{TEXT} And then"],
    "talk about the task": [f"{TEXT} I did it.", f"{TEXT} Do you like it?", f"{TEXT} So every fact is told."],
    "empty": ["", " \n", "<think>Nothing.</think>", "```\n```", "\u200b", "<|im_end|>"],
}  # fmt: skip


def judge(text: str) -> Rewrite | str:
    return llm.judge_answer(Answer(text), FACTS[0], set())


@pytest.mark.parametrize("case", CLEAN)
def test_what_is_certain_is_taken_off(case: str) -> None:
    found = judge(CLEAN[case])
    assert isinstance(found, Rewrite), found
    assert found.text == TEXT
    assert {span.fact: TEXT[span.start : span.stop] for span in found.spans if span.fact != "pronoun"} == {
        fact: value for fact, value in FACTS[0].items() if fact != "pronoun"
    }


@pytest.mark.parametrize("reason", REJECTED)
def test_anything_else_is_rejected_by_reason(reason: str) -> None:
    assert [judge(text) for text in REJECTED[reason]] == [reason] * len(REJECTED[reason])


def test_sound_prose_is_taken_as_it_stands() -> None:
    verdicts = Counter(
        found
        if isinstance(found := llm.judge_answer(Answer(told(i)), FACTS[i], set()), str)
        else found.text == told(i)
        for i in range(len(FACTS))
    )
    assert verdicts == {True: len(FACTS)}


@given(st.text())
def test_whatever_comes_is_text_or_rejected(text: str) -> None:
    with suppress(NoBiography):
        found = take_off_wrapping(text)
        assert found == " ".join(found.split())
        assert found.encode()  # without halves of letters, which no file can hold
