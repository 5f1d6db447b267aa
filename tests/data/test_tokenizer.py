"""Tokenizers: the same everywhere, complete, and loaded by transformers as they are by us."""

from collections.abc import Callable
from pathlib import Path

import pytest
from knowledge_capacity.data import corpus, people, tokenizer
from knowledge_capacity.data.pieces import END_OF_TEXT
from knowledge_capacity.data.stream import Stream, make_source
from knowledge_capacity.files import UserError
from knowledge_capacity.specs import BioD, BioS, Dataset, Pools
from transformers import AutoTokenizer

SMALL = Pools(5, 5, 6, birth_years=4, cities=8, universities=6, majors=5, employers=9)
BIOS = BioS(n_people=30, pools=SMALL, templates=7)
BIOD = BioD(n_people=30, attributes=3, chunks=2, diversity=4, length=2, symbols=6, pools=SMALL)
PAPER = BioS(n_people=10_000)
EVERY = pytest.mark.parametrize("dataset", [BIOS, BIOD, PAPER], ids=["bioS", "bioD", "paper"])

StreamOf = Callable[[Dataset, int], Stream]


@EVERY
def test_every_seed_gives_the_same_vocabulary(dataset: Dataset) -> None:
    ours = tokenizer.make_word_tokenizer(corpus.vocabulary_texts(dataset))
    for seed in (1, 2):  # the strings of bioD depend on it
        stream = Stream(make_source(dataset, seed, people.draw_all_people(dataset, seed)), ours)
        for text in stream.text(stream.pieces(0, 20)):
            assert ours.decode(ours.encode(text).ids) == text
    # nor does the order in which texts come matter
    assert (
        tokenizer.make_word_tokenizer(corpus.vocabulary_texts(dataset)[::-1]).get_vocab() == ours.get_vocab()
    )


@EVERY
def test_no_character_of_a_text_is_lost(dataset: Dataset) -> None:
    tokens = tokenizer.make_word_tokenizer(corpus.vocabulary_texts(dataset))
    for text in corpus.vocabulary_texts(dataset):
        found = "".join(tokens.encode(text, add_special_tokens=False).tokens)
        assert found == text.replace(" ", "")


@EVERY
def test_the_vocabulary_has_no_holes_and_no_idle_words(dataset: Dataset) -> None:
    tokens = tokenizer.make_word_tokenizer(corpus.vocabulary_texts(dataset))
    vocabulary = tokens.get_vocab()
    assert vocabulary[END_OF_TEXT] == 0
    assert sorted(vocabulary.values()) == list(range(tokens.get_vocab_size()))
    used = {i for text in corpus.vocabulary_texts(dataset) for i in tokens.encode(text).ids}
    assert used == set(range(1, tokens.get_vocab_size()))


@pytest.mark.parametrize("dataset", [BIOS, BIOD], ids=["bioS", "bioD"])
def test_a_written_folder_reads_back_and_loads_in_transformers(
    tmp_path: Path, stream_of: StreamOf, dataset: Dataset
) -> None:
    made = tokenizer.make_word_tokenizer(corpus.vocabulary_texts(dataset))
    tokenizer.write_tokenizer(tmp_path, made)
    again = tokenizer.read_tokenizer(tmp_path / "tokenizer.json")
    assert again.to_str() == made.to_str()

    theirs = AutoTokenizer.from_pretrained(tmp_path)
    stream = stream_of(dataset, 0)
    for text in stream.text(stream.pieces(0, 90)):
        ids = made.encode(text).ids
        assert again.encode(text).ids == ids
        assert theirs(text)["input_ids"] == ids
    assert len(theirs) == made.get_vocab_size()
    assert theirs.eos_token_id == theirs.bos_token_id == stream.end_token == 0
    assert theirs(f"{END_OF_TEXT}.")["input_ids"] == [0, made.token_to_id(".")]


@pytest.mark.parametrize("kept", [0, 0.5, 0.99])
def test_a_damaged_file_is_refused(tmp_path: Path, kept: float) -> None:
    path = tmp_path / "tokenizer.json"
    tokenizer.write_tokenizer(tmp_path, tokenizer.make_word_tokenizer(corpus.vocabulary_texts(BIOS)))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(UserError, match=r"tokenizer\.json: not a readable tokenizer.*Delete it"):
        tokenizer.read_tokenizer(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"tokenizer\.json: not a readable tokenizer"):
        tokenizer.read_tokenizer(tmp_path / "tokenizer.json")
