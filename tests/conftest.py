"""What all tests need: the library on the path, light settings, and streams of small datasets."""

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

from knowledge_capacity.data import people, tokenizer
from knowledge_capacity.data.pieces import all_texts
from knowledge_capacity.data.stream import Stream
from knowledge_capacity.specs import Dataset

settings.register_profile("light", max_examples=25, deadline=None)
settings.load_profile("light")
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def stream_of() -> Callable[[Dataset, int], Stream]:
    """The stream of (dataset, seed), with people and tokenizer as the scripts make them."""

    @cache
    def make(dataset: Dataset, seed: int) -> Stream:
        codes = people.draw(dataset, seed, torch.arange(dataset.n_people))
        return Stream(dataset, codes, tokenizer.word_level(all_texts(dataset)), seed)

    return make
