"""What is read of answers, held against models whose knowledge is known exactly."""

import numpy as np
import pytest
from helpers.known_models import BIOD, BIOS, Answerer, everything
from knowledge_capacity.extraction import answers, score
from knowledge_capacity.extraction.questions import choice_counts
from knowledge_capacity.specs import BioD, BioS


@pytest.mark.parametrize("dataset", [BIOS, BIOD], ids=["bioS", "bioD"])
def test_who_knows_reads_everything(dataset: BioS | BioD) -> None:
    asked, tokens = everything(dataset)
    found = answers.ask_questions(Answerer(dataset, asked, tokens, [True] * dataset.n_people), asked)
    assert found.right.all()
    bits = score.bits_per_person(dataset, found.losses)
    assert bits.sum() == pytest.approx(score.bits_max(dataset), rel=1e-6)


@pytest.mark.parametrize("dataset", [BIOS, BIOD], ids=["bioS", "bioD"])
def test_a_guesser_reads_nothing_and_says_the_same_to_all(dataset: BioS | BioD) -> None:
    asked, tokens = everything(dataset)
    found = answers.ask_questions(Answerer(dataset, asked, tokens, [False] * dataset.n_people), asked)
    bits = score.bits_per_person(dataset, found.losses)
    assert bits == pytest.approx(np.zeros(dataset.n_people), abs=1e-5)
    assert found.commonest == pytest.approx(1.0)
    for right, number in zip(found.right.mean(axis=0), choice_counts(dataset).values(), strict=True):
        assert abs(right - 1 / number) < 4 * np.sqrt(1 / number / dataset.n_people)


def test_half_a_memory_reads_half() -> None:
    asked, tokens = everything(BIOS)
    known = [person % 2 == 0 for person in range(BIOS.n_people)]
    found = answers.ask_questions(Answerer(BIOS, asked, tokens, known), asked)
    assert found.right[::2].all()
    assert score.bits_per_person(BIOS, found.losses).sum() == pytest.approx(
        score.bits_max(BIOS) / 2, rel=1e-5
    )
    assert (found.commonest < 1).all()


def test_an_answer_that_goes_on_is_wrong() -> None:
    asked, tokens = everything(BIOS)
    knowing = Answerer(BIOS, asked, tokens, [True] * BIOS.n_people)
    full_stop = tokens.encode(".").ids[0]
    for question, choice in knowing.answers.items():
        right = choice[0]
        assert right[-2] == full_stop
        knowing.answers[question] = [(*right[:-2], full_stop, full_stop)]
    found = answers.ask_questions(knowing, asked)
    assert not found.right.any()
    assert score.bits_per_person(BIOS, found.losses).sum() == pytest.approx(score.bits_max(BIOS), rel=1e-6)
