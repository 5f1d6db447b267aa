"""The text that the tokenizer of a dataset is made from and tried on, whatever the seed of a run."""

from dataclasses import replace
from importlib import import_module
from typing import Any

import torch

from ..specs import BioG, BioR, Dataset, RandomStrings
from . import people, pools
from .counter import Purpose, words
from .stored import StoredSource, segments
from .stream import source_of

SAMPLE = 10_000  # biographies that byte pairs are learned from and tokenizers are tried on
SEED = 0


def closed(dataset: Dataset) -> bool:
    """Whether `texts` holds everything that can be told; nobody knows what a language model will write."""
    return not isinstance(dataset, BioR)


def texts(dataset: Dataset) -> list[str]:
    """Every piece of text that the tokenizer of a dataset has to know; for bioR, what bioG would need."""
    if isinstance(dataset, BioG | BioR):
        prose, values = _grammar(), pools.values(dataset.pools)
        literals = [variant for word in prose.literals() for variant in (word, f" {word}")]
        said = [f" {text}" for field in values for text in values[field]]
        return [*values["first_name"], *said, *(f" {day}," for day in pools.DAYS), *literals]
    source = source_of(dataset, SEED, people.draw(dataset, SEED, torch.arange(1)))
    assert not isinstance(source, StoredSource)
    return source.pieces.texts


def sample(dataset: Dataset) -> list[list[str]]:
    """SAMPLE biographies, cut where facts begin and end; for bioR, those of bioG."""
    n = min(dataset.n_people, SAMPLE)  # a few people tell as much about a tokenizer as many
    drawn = people.draw(dataset, SEED, torch.arange(n))
    if isinstance(dataset, BioG | BioR):
        prose, said = _grammar(), list(people.facts(dataset, drawn))
        random = words(SEED, Purpose.REWRITING, torch.arange(SAMPLE), n=prose.N_RANDOM_WORDS).tolist()
        told = (prose.tell(said[i % n], one) for i, one in enumerate(random))
        return [[text for text, _ in segments(rewrite)] for rewrite in told]
    fewer = (
        replace(dataset, n_strings=n) if isinstance(dataset, RandomStrings) else replace(dataset, n_people=n)
    )
    source = source_of(fewer, SEED, drawn)
    assert not isinstance(source, StoredSource)
    rows = source.training(torch.arange(SAMPLE)).tolist()
    return [[text for phrase in row for text, _ in source.pieces.segments(phrase)] for row in rows]


def _grammar() -> Any:
    """The module `prose`, found by name, so that a change of it runs nothing again for other kinds."""
    return import_module(".prose", __package__)
