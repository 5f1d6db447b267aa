"""The text that the tokenizer of a dataset is made from and tried on, whatever the seed of a run."""

from dataclasses import replace
from importlib import import_module
from typing import Any

import torch

from ..specs import BioG, BioR, Dataset, RandomStrings
from . import people, pools
from .counter import Purpose, random_words
from .stored import StoredSource, split_at_facts
from .stream import make_source

SAMPLE = 10_000  # biographies that byte pairs are learned from and tokenizers are tried on
SEED = 0


def has_closed_vocabulary(dataset: Dataset) -> bool:
    """Whether `vocabulary_texts` holds everything that can be told; nobody knows what a language model will write."""
    return not isinstance(dataset, BioR)


def vocabulary_texts(dataset: Dataset) -> list[str]:
    """Every piece of text that the tokenizer of a dataset has to know; for bioR, what bioG would need."""
    if isinstance(dataset, BioG | BioR):
        prose, values = _import_grammar(), pools.pool_values(dataset.pools)
        literals = [variant for word in prose.literal_words() for variant in (word, f" {word}")]
        said = [f" {text}" for field in values for text in values[field]]
        return [*values["first_name"], *said, *(f" {day}," for day in pools.DAYS), *literals]
    source = make_source(dataset, SEED, people.draw_people(dataset, SEED, torch.arange(1)))
    assert not isinstance(source, StoredSource)
    return source.pieces.texts


def sample_biographies(dataset: Dataset) -> list[list[str]]:
    """SAMPLE biographies, cut where facts begin and end; for bioR, those of bioG."""
    n = min(dataset.n_people, SAMPLE)  # a few people tell as much about a tokenizer as many
    drawn = people.draw_people(dataset, SEED, torch.arange(n))
    if isinstance(dataset, BioG | BioR):
        prose, said = _import_grammar(), list(people.decode_facts(dataset, drawn))
        random = random_words(SEED, Purpose.REWRITING, torch.arange(SAMPLE), n=prose.N_RANDOM_WORDS).tolist()
        told = (prose.write_biography(said[i % n], one) for i, one in enumerate(random))
        return [[text for text, _ in split_at_facts(rewrite)] for rewrite in told]
    fewer = (
        replace(dataset, n_strings=n) if isinstance(dataset, RandomStrings) else replace(dataset, n_people=n)
    )
    source = make_source(fewer, SEED, drawn)
    assert not isinstance(source, StoredSource)
    rows = source.training(torch.arange(SAMPLE)).tolist()
    return [[text for phrase in row for text, _ in source.pieces.segments(phrase)] for row in rows]


def _import_grammar() -> Any:
    """The module `prose`, found by name, so that a change of it runs nothing again for other kinds."""
    return import_module(".prose", __package__)
