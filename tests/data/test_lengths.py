"""Lengths by arithmetic, against the stream itself."""

import re
from collections.abc import Callable

import pytest
from knowledge_capacity.data import corpus, tokenizer
from knowledge_capacity.data.lengths import WORD, mean_words, training_words
from knowledge_capacity.data.stream import Stream
from knowledge_capacity.specs import BioD, BioG, BioS, BioSSimple, Dataset, Junk, Pools, RandomStrings, Recipe

SMALL = Pools(4, 5, 50, birth_years=4, cities=8, universities=6, majors=5, employers=9)


def test_words_are_those_of_the_tokenizer() -> None:
    assert re.compile(tokenizer.WORD) == WORD


@pytest.mark.parametrize(
    "dataset",
    [
        BioS(n_people=1000),
        BioS(n_people=1000, templates=1, pools=SMALL),
        BioSSimple(n_people=1000, templates=7),
        BioD(n_people=50, attributes=3, chunks=2, diversity=9, length=4, symbols=5),
        BioD(n_people=50, attributes=1, chunks=1),
        RandomStrings(n_strings=50, length=9),
    ],
    ids=lambda dataset: dataset.slug,
)
def test_mean_length(stream_of: Callable[[Dataset, int], Stream], dataset: Dataset) -> None:
    assert mean_words(dataset) == pytest.approx(stream_of(dataset, 0).mean_length(), rel=0.01)


def test_mean_length_of_prose() -> None:
    dataset = BioG(n_people=1000)
    sample = corpus.sample_biographies(dataset)
    words = tokenizer.make_word_tokenizer(corpus.vocabulary_texts(dataset))
    counted = [len(words.encode("".join(pieces)).ids) + 1 for pieces in sample[:2000]]
    assert mean_words(dataset) == pytest.approx(sum(counted) / len(counted), rel=0.02)


def test_junk_counts() -> None:
    plain = Recipe(exposures=100, lr=1e-3)
    dataset = BioS(n_people=1000)
    assert training_words(dataset, plain) == 100_000 * mean_words(dataset)
    junk = Recipe(exposures=100, lr=1e-3, junk=Junk(people=10**8))
    assert training_words(dataset, junk) == pytest.approx(8 * training_words(dataset, plain))
