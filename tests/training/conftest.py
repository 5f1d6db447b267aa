"""What tests of scripts/train.py share: the data of a small run, and an execution that nothing disturbed."""

from pathlib import Path

import pytest
from helpers.train_jobs import RUN, Job
from knowledge_capacity import layout
from knowledge_capacity.data import corpus, people, tokenizer

SEEDS = range(3)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for seed in SEEDS:
        people.write_people(folder / layout.people_file(RUN.dataset, seed), RUN.dataset, seed)
    file = folder / layout.tokenizer_file(RUN.dataset)
    tokenizer.write_tokenizer(
        file.parent, tokenizer.make_word_tokenizer(corpus.vocabulary_texts(RUN.dataset))
    )
    return folder / "data"


@pytest.fixture(scope="session")
def undisturbed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Job:
    job = Job(data, tmp_path_factory.mktemp("undisturbed"))
    job.finish()
    return job
