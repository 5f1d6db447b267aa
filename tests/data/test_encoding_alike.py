"""A text has the same tokens alone and beside others, today and tomorrow, whatever a tokenizer's file says."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from knowledge_capacity.data import corpus, people, tokenizer
from knowledge_capacity.data.pieces import DOMAIN_TOKEN, END_OF_TEXT
from knowledge_capacity.data.stream import Stream, make_source
from knowledge_capacity.files import UserError
from knowledge_capacity.specs import BioG, BioS, Pools
from tokenizers import Tokenizer, models, pre_tokenizers

SMALL = Pools(5, 5, 6, birth_years=4, cities=8, universities=6, majors=5, employers=9)
BIOS = BioS(n_people=30, pools=SMALL, templates=7)
BIOG = BioG(n_people=5, pools=SMALL, rewrites=2)
Content = dict[str, Any]
Change = Callable[[Content], Any]

PADDING = {
    "direction": "Right",
    "pad_to_multiple_of": None,
    "pad_id": 0,
    "pad_type_id": 0,
    "pad_token": END_OF_TEXT,
}
CHANGES: dict[str, Change] = {
    "padded to the longest": lambda c: c.update(padding={"strategy": "BatchLongest", **PADDING}),
    "padded to 128": lambda c: c.update(padding={"strategy": {"Fixed": 128}, **PADDING}),
    "cut to 16": lambda c: c.update(
        truncation={"direction": "Right", "max_length": 16, "strategy": "LongestFirst", "stride": 0}
    ),
    "merged by chance": lambda c: c["model"].update(dropout=0.5),
}  # fmt: skip


biographies_of = cache(corpus.sample_biographies)


def changed(folder: Path, content: str, change: Change) -> Path:
    """A tokenizer.json with a change."""
    values = json.loads(content)
    change(values)
    folder.mkdir(exist_ok=True)
    (folder / "tokenizer.json").write_text(json.dumps(values))
    return folder / "tokenizer.json"


def byte_pairs() -> Tokenizer:
    texts = ["".join(pieces) for pieces in biographies_of(BIOS)[:200]]
    return tokenizer.train_bpe_tokenizer(texts, 500)


@pytest.mark.parametrize("name", CHANGES)
def test_the_file_does_not_make_texts_longer_or_shorter(tmp_path: Path, name: str) -> None:
    plain = byte_pairs()
    file = changed(tmp_path / "given", plain.to_str(), CHANGES[name])
    biographies = biographies_of(BIOS)[:100]
    texts = ["".join(pieces) for pieces in biographies]
    expected = [plain.encode(text).ids for text in texts]
    for made in (
        tokenizer.read_tokenizer(file),  # of a checkpoint
        tokenizer.make_tokenizer(str(file.parent), corpus.vocabulary_texts(BIOS), texts, closed=False),
    ):
        assert [found.ids for found in made.encode_batch(texts)] == expected
        assert [made.encode(text).ids for text in texts] == expected
        tokenizer.check_tokenizer(made, "given", biographies)
    # of a dataset: cut down to what it needs, and what training reads
    streams = [
        Stream(make_source(BIOS, 0, people.draw_all_people(BIOS, 0)), words)
        for words in (
            tokenizer.make_tokenizer(str(file.parent), corpus.vocabulary_texts(BIOS), texts),
            tokenizer.trim_tokenizer(plain, [*corpus.vocabulary_texts(BIOS), *texts]),
        )
    ]
    read = [stream.tokens(stream.pieces(0, 60)) for stream in streams]
    assert read[0][0].tolist() == read[1][0].tolist()
    assert read[0][1].tolist() == read[1][1].tolist()


@pytest.mark.parametrize("name", CHANGES)
def test_a_written_tokenizer_is_plain(tmp_path: Path, name: str) -> None:
    file = changed(tmp_path, byte_pairs().to_str(), CHANGES[name])
    tokenizer.write_tokenizer(tmp_path / "again", tokenizer.read_tokenizer(file))
    found = json.loads((tmp_path / "again" / "tokenizer.json").read_text())
    assert found["padding"] is found["truncation"] is found["model"]["dropout"] is None


def test_one_that_pads_in_memory_is_refused() -> None:
    padded = byte_pairs()
    padded.enable_padding(pad_id=0, pad_token=END_OF_TEXT)
    with pytest.raises(UserError, match="does not cut"):
        tokenizer.check_tokenizer(padded, "padded", biographies_of(BIOS)[:20])


def words_of(vocabulary: dict[str, int], added: dict[str, int]) -> str:
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="?"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    content = json.loads(made.to_str())
    content["model"]["vocab"] = vocabulary
    kinds = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    content["added_tokens"] = [{"id": i, "content": t, "special": True, **kinds} for t, i in added.items()]
    return json.dumps(content)


def test_holes_in_the_ids_leave_room_for_the_highest(tmp_path: Path) -> None:
    file = tmp_path / "tokenizer.json"
    file.write_text(words_of({END_OF_TEXT: 0, "a": 1, "b": 7}, {END_OF_TEXT: 0}))
    made = tokenizer.read_tokenizer(file)
    assert made.get_vocab_size() == 3
    assert tokenizer.embedding_rows(made) == 8
    domain = tokenizer.read_tokenizer(file, domain=True)
    assert domain.encode(f"{DOMAIN_TOKEN}b").ids == [3, 7]
    assert tokenizer.embedding_rows(domain) == 8


@pytest.mark.parametrize(
    ("vocabulary", "added", "domain", "reason"),
    [
        # the library counts the tokens, and so gives the new one the id of b
        ({END_OF_TEXT: 0, "a": 2, "b": 3}, {END_OF_TEXT: 0}, True, r"'<\|domain\|>' and 'b' have the same id, 3"),
        ({END_OF_TEXT: 0, "a": 1, "b": 1}, {END_OF_TEXT: 0}, False, "'a' and 'b' have the same id, 1"),
        # and does not heed what the file says of an added one
        ({"a": 0, "b": 1}, {END_OF_TEXT: 7}, False, r"the id 7, and tokenizers reads it as 2"),
        ({"a": 0, "b": 1}, {END_OF_TEXT: 1}, False, r"the id 1, and tokenizers reads it as 2"),
    ],
)  # fmt: skip
def test_ids_that_are_not_what_the_file_says_or_not_their_own_are_refused(
    tmp_path: Path, vocabulary: dict[str, int], added: dict[str, int], domain: bool, reason: str
) -> None:
    file = tmp_path / "tokenizer.json"
    file.write_text(words_of(vocabulary, added))
    with pytest.raises(UserError, match=reason):
        tokenizer.read_tokenizer(file, domain=domain)


def letters(unknown: str | None, without: str) -> Tokenizer:
    """One token a letter, of biographies without some letters."""
    used = sorted({letter for text in corpus.vocabulary_texts(BIOS) for letter in text} - set(without))
    vocabulary = {END_OF_TEXT: 0, "<unk>": 1, **{letter: i for i, letter in enumerate(used, start=2)}}
    made = Tokenizer(models.BPE(vocabulary, [], unk_token=unknown))
    made.pre_tokenizer = pre_tokenizers.Split(" ", behavior="isolated")
    return made


@pytest.mark.parametrize("unknown", [None, "<unk>"])
def test_letters_that_a_tokenizer_drops_or_does_not_know_are_named(unknown: str | None) -> None:
    biographies = biographies_of(BIOS)[:50]
    tokenizer.check_tokenizer(letters(unknown, ""), "whole", biographies)
    with pytest.raises(
        UserError, match=r"cannot write the texts of this dataset \(it does not know all letters of"
    ):
        tokenizer.check_tokenizer(letters(unknown, "b"), "letters", biographies)


def test_texts_that_are_stored_have_their_own_tokens_too(tmp_path: Path) -> None:
    file = changed(tmp_path, byte_pairs().to_str(), CHANGES["padded to the longest"])
    made = tokenizer.read_tokenizer(file)
    tokenizer.check_tokenizer(made, "given", biographies_of(BIOG)[:50])
