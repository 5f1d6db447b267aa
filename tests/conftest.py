"""What all tests need: the library on the path, light settings, and streams of small datasets."""

import os
import signal
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

from knowledge_capacity.data import corpus, people, tokenizer
from knowledge_capacity.data.stream import Stream, make_source
from knowledge_capacity.specs import Dataset

settings.register_profile("light", max_examples=25, deadline=None)
settings.load_profile("light")
torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"  # of what tests start: several run at once
# Shells have what they start in the background ignore it, and so would what tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
LONGEST = ("test_workflow.py", "test_studies.py", "test_search.py", "test_bits.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first: no worker is left with one of them when the others have nothing to do any more."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))


@pytest.fixture(scope="session")
def stream_of() -> Callable[[Dataset, int], Stream]:
    """The stream of (dataset, seed), with people and tokenizer as the scripts make them."""

    @cache
    def make(dataset: Dataset, seed: int) -> Stream:
        source = make_source(dataset, seed, people.draw_all_people(dataset, seed))
        return Stream(source, tokenizer.make_word_tokenizer(corpus.vocabulary_texts(dataset)))

    return make
