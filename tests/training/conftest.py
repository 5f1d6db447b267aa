"""What tests of scripts/train.py share: the data of a small run, and an execution that nothing disturbed."""

from pathlib import Path

import pytest
from knowledge_capacity.data import corpus, people, tokenizer
from training.jobs import RUN, Job


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    people.write(folder / "people.parquet", RUN.dataset, RUN.seed)
    tokenizer.write(folder, tokenizer.word_level(corpus.texts(RUN.dataset)))
    return folder


@pytest.fixture(scope="session")
def undisturbed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Job:
    job = Job(data, tmp_path_factory.mktemp("undisturbed"))
    job.finish()
    return job
