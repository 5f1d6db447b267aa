"""Questions and answers say what is true of their people, in the tokens that biographies have."""

from dataclasses import replace

import pytest
import torch
from helpers.known_models import BIOD, BIOS, everything
from knowledge_capacity.data import people
from knowledge_capacity.data.pieces import Term
from knowledge_capacity.data.stream import Stream, make_source
from knowledge_capacity.extraction import questions
from knowledge_capacity.extraction.questions import TokenRole
from knowledge_capacity.specs import BioD, Biography, BioS


@pytest.mark.parametrize("kind", ["word", "bpe-400"])
def test_questions_and_answers_agree_with_people(kind: str) -> None:
    dataset = replace(BIOS, tokenizer=kind)
    asked, tokens = everything(dataset)
    said = list(people.decode_facts(dataset, people.draw_all_people(dataset, 0)))
    for i in (0, 7, 39):
        for k, attribute in enumerate(asked.attributes):
            row, part = asked.tokens[i, k].tolist(), asked.parts[i, k]
            start = int((part >= TokenRole.SIGN).int().argmax())
            question, answer = asked.text(tokens, row[:start]), asked.text(tokens, row[start:])
            wording = questions.WORDING[attribute].format(name=said[i]["name"])
            fact = said[i][attribute].capitalize() if attribute == "pronoun" else said[i][attribute]
            assert question == wording
            assert answer == f"{fact}."
    assert ("?" in asked.new_words) == (kind == "word")


def test_questions_of_biod_name_the_attribute() -> None:
    asked, tokens = everything(BIOD)
    codes = people.draw_all_people(BIOD, 0)
    strings = people.draw_string_sets(BIOD, 0)
    chosen = strings[1, codes[4, 3:].long().view(3, 2)[1]].tolist()
    row, part = asked.tokens[4, 1].tolist(), asked.parts[4, 1]
    start = int((part >= TokenRole.SIGN).int().argmax())
    assert asked.text(tokens, row[:start]).startswith("What is the ID 2 of ")
    symbols = ", ".join(" ".join(f"s{symbol}" for symbol in string) for string in chosen)
    assert asked.text(tokens, row[start:]) == f"{symbols}."


@pytest.mark.parametrize(
    "dataset", [BIOS, replace(BIOS, tokenizer="bpe-400"), BIOD, replace(BIOD, tokenizer="bpe-300")], ids=str
)
def test_names_and_values_have_the_tokens_of_biographies(dataset: BioS | BioD) -> None:
    asked, tokens = everything(dataset)
    stream = Stream(make_source(dataset, 0, people.draw_all_people(dataset, 0)), tokens)
    told = stream.assemble(stream.probe_pieces(0))
    cut = told.lengths.tolist()
    if isinstance(dataset, Biography):
        terms = [[Term[attribute.upper()]] for attribute in asked.attributes]
    else:
        terms = [[Term.FIRST_CHUNK, Term.OTHER_CHUNKS]] * dataset.attributes
    for person, (text, term) in enumerate(zip(told.tokens.split(cut), told.terms.split(cut), strict=True)):
        name = text[term == Term.NAME].tolist()
        values = []
        for k, wanted in enumerate(terms):
            row, part = asked.tokens[person, k], asked.parts[person, k]
            assert row[part == TokenRole.NAME].tolist() == name
            values.append(row[part == TokenRole.VALUE].tolist())
            if isinstance(dataset, Biography):
                assert values[-1] == text[torch.isin(term, torch.tensor(wanted))].tolist()
        if isinstance(dataset, BioD):  # told in an order of their own
            whole = text[torch.isin(term, torch.tensor(terms[0]))].tolist()
            assert sorted(whole) == sorted(token for value in values for token in value)


def test_every_answer_ends_and_padding_counts_for_nothing() -> None:
    asked, _ = everything(BIOS)
    answer = asked.parts >= TokenRole.SIGN
    last = asked.tokens.shape[2] - 1 - answer.flip(2).int().argmax(dim=2)
    assert (asked.tokens.gather(2, last[..., None]) == asked.end_token).all()
    assert (answer.int().diff(dim=2) == 1).sum(dim=2).eq(1).all()  # one stretch a row
