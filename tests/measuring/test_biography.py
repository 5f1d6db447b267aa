"""One biography, token by token: the same losses as those that are measured, and the same text."""

import math
from dataclasses import replace

import pytest
from helpers.known_models import BIOS, words_of
from knowledge_capacity.data import people
from knowledge_capacity.data.pieces import Term
from knowledge_capacity.data.stream import Stream, make_source
from knowledge_capacity.measuring.biography import score_biography
from knowledge_capacity.measuring.scoring import score_model
from knowledge_capacity.models.build import build_model
from knowledge_capacity.specs import Architecture, BioS

PERSON = 3


@pytest.mark.parametrize("dataset", [BIOS, replace(BIOS, tokenizer="bpe-300")], ids=["words", "byte pairs"])
def test_a_biography_costs_what_is_measured(dataset: BioS) -> None:
    tokens = words_of(dataset)
    stream = Stream(make_source(dataset, 0, people.draw_all_people(dataset, 0)), tokens)
    model = build_model(Architecture(layers=1, heads=1, width=8), tokens.get_vocab_size(), 256, seed=0)
    read = score_biography(model, stream, tokens, PERSON)
    assert "".join(token.text for token in read) == stream.text(stream.probe_pieces(0, PERSON, PERSON + 1))[0]
    assert len(read) == int(stream.lengths(stream.probe_pieces(0, PERSON, PERSON + 1))) - 1
    measured = score_model(model, stream, draws=[0])[0, PERSON] / math.log(2)
    for term in set(Term) - {Term.NONE, Term.WORK_CITY}:
        cost = sum(token.bits for token in read if token.term == term)
        assert cost == pytest.approx(measured[term], rel=1e-5)
    assert measured[Term.EMPLOYER] > 0
