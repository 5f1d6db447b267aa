"""Byte pairs, and tokenizers from elsewhere cut down to what a dataset needs."""

import os
from pathlib import Path

import pytest
from knowledge_capacity.data import corpus, people, tokenizer
from knowledge_capacity.data.pieces import END_OF_TEXT
from knowledge_capacity.data.stream import Stream, make_source
from knowledge_capacity.files import UserError
from knowledge_capacity.specs import BioD, BioS, Dataset, Pools
from tokenizers import Tokenizer, models, pre_tokenizers

ROOT = Path(__file__).parents[2]
GPT2 = Path(os.environ.get("GPT2_TOKENIZER", ROOT.parent / "shared" / "gpt2"))
BIOS = BioS(n_people=500, templates=50)
BIOD = BioD(n_people=40, attributes=3, chunks=2, diversity=5, length=2, symbols=9, pools=Pools(5, 5, 6))
EVERY = pytest.mark.parametrize("dataset", [BIOS, BIOD], ids=["bioS", "bioD"])


def sample(dataset: Dataset, n: int) -> list[list[str]]:
    """Biographies as the texts of their pieces."""
    return corpus.sample_biographies(dataset)[:n]


def folder_of_a_larger_one(folder: Path) -> Tokenizer:
    """A byte-pair tokenizer of more text than one dataset's, as the two files of GPT-2's."""
    whole = ["".join(pieces) for dataset in (BIOS, BIOD) for pieces in sample(dataset, 400)]
    large = tokenizer.train_bpe_tokenizer(
        [*whole, *("entirely other words stand here too" for _ in range(50))], 3000
    )
    folder.mkdir(exist_ok=True)
    large.model.save(str(folder))
    return large


@EVERY
def test_byte_pairs_are_learned_up_to_the_size_asked_for(dataset: Dataset) -> None:
    biographies = sample(dataset, 300)
    whole = ["".join(pieces) for pieces in biographies]
    sizes = {}
    for size in (300, 600):
        made = tokenizer.make_tokenizer(f"bpe-{size}", corpus.vocabulary_texts(dataset), whole)
        tokenizer.check_tokenizer(made, f"bpe-{size}", biographies)
        assert made.get_vocab_size() <= size
        assert made.token_to_id(END_OF_TEXT) == 0
        assert all(made.decode(made.encode(text).ids) == text for text in whole[:50])
        sizes[size] = sum(len(made.encode(text).ids) for text in whole)
    assert sizes[600] < sizes[300]


@pytest.mark.slow
@EVERY
def test_a_trimmed_tokenizer_cuts_the_dataset_as_before(tmp_path: Path, dataset: Dataset) -> None:
    large = folder_of_a_larger_one(tmp_path / "large")
    biographies = sample(dataset, 600)
    whole = ["".join(pieces) for pieces in biographies]
    small = tokenizer.make_tokenizer(str(tmp_path / "large"), corpus.vocabulary_texts(dataset), whole)
    tokenizer.check_tokenizer(small, "large", biographies)
    assert small.get_vocab_size() < large.get_vocab_size()
    for text in [*whole, *corpus.vocabulary_texts(dataset)]:
        assert small.encode(text).tokens == large.encode(text).tokens
    assert sorted(small.get_vocab().values()) == list(range(small.get_vocab_size()))
    # what is left is needed: every token occurs, or is on the way to one that does
    used = {token for text in corpus.vocabulary_texts(dataset) for token in small.encode(text).tokens}
    for token in small.get_vocab().keys() - used - {END_OF_TEXT}:
        assert any(token in other for other in used), token
    tokenizer.write_tokenizer(tmp_path / "small", small)
    again = tokenizer.make_tokenizer(
        str(tmp_path / "small"), corpus.vocabulary_texts(dataset), whole
    )  # as tokenizer.json
    assert again.get_vocab() == small.get_vocab()


def test_a_tokenizer_across_the_borders_of_facts_is_refused() -> None:
    """One that joins words: the token of a literal and of a value would be the same."""
    texts = [" was born on", " October", " 2,", " 1996", "."]
    joined = "".join(texts)
    careless = Tokenizer(
        models.WordLevel({text: i for i, text in enumerate([joined, *texts, "<|endoftext|>"])})
    )
    careless.pre_tokenizer = pre_tokenizers.Split("|", behavior="isolated")
    with pytest.raises(UserError, match="tokenizer mine: it does not cut ' was born on October"):
        tokenizer.check_tokenizer(careless, "mine", [texts])


def test_what_cannot_be_had_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # or it is asked, again and again
    with pytest.raises(UserError, match=r"neither tokenizer\.json nor vocab\.json"):
        tokenizer.make_tokenizer(str(tmp_path), ["a"], ["a"])
    with pytest.raises(UserError, match="no-such-owner/no-such-name: there is no such folder"):
        tokenizer.make_tokenizer("no-such-owner/no-such-name", ["a"], ["a"])


@pytest.mark.skipif(not (GPT2 / "merges.txt").exists(), reason="no folder in GPT2_TOKENIZER")
def test_gpt2s_tokenizer_on_the_full_pools() -> None:
    """The paper has 73.0 + 1 tokens per biography and 3,275 used tokens; our lists come close to that."""
    dataset = BioS(n_people=20_000, tokenizer=str(GPT2))
    biographies = sample(dataset, 2000)
    small = tokenizer.make_tokenizer(
        dataset.tokenizer, corpus.vocabulary_texts(dataset), ["".join(pieces) for pieces in biographies]
    )
    tokenizer.check_tokenizer(small, "gpt2", biographies)
    stream = Stream(make_source(dataset, 0, people.draw_all_people(dataset, 0)), small)
    used = len(stream.assemble(stream.pieces(0, dataset.n_people)).tokens.unique())
    assert stream.mean_length() == pytest.approx(66.2, abs=0.5)
    assert used == pytest.approx(3964, abs=40)
    assert small.get_vocab_size() < 6000 < 50257
