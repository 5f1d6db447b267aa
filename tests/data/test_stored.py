"""bioG, and with it all that is stored: from the grammar to the tokens that train."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from knowledge_capacity.data import corpus, people, rewrites, rewriting, stored, tokenizer
from knowledge_capacity.data.pieces import END_OF_TEXT, Term
from knowledge_capacity.data.stream import Stream, make_source
from knowledge_capacity.data.windows import IGNORED, Windows
from knowledge_capacity.files import UserError, write_json
from knowledge_capacity.specs import BioG, Pools, to_json
from tokenizers import Tokenizer, models, trainers

DATASET = BioG(n_people=7, rewrites=5, pools=Pools(4, 4, 5, birth_years=30))
WORDS = tokenizer.make_word_tokenizer(corpus.vocabulary_texts(DATASET))


@pytest.fixture(scope="module", autouse=True)
def _small_shards() -> None:
    patch = pytest.MonkeyPatch()
    for module in (rewrites, rewriting):
        patch.setattr(module, "PEOPLE_PER_SHARD", 3)


def write(folder: Path) -> Path:
    """The rewrites of the dataset, as the script writes them."""
    made = rewriting.write_missing_shards(
        folder / "rewrites",
        "me",
        DATASET,
        people.draw_all_people(DATASET, 0),
        rewriting.make_grammar_writer(DATASET, 0),
    )
    manifest = folder / "rewrites.json"
    write_json(manifest, {"dataset": json.loads(to_json(DATASET)), "seed": 0, **made})
    return manifest


def open_stream(folder: Path, tokens: Tokenizer = WORDS) -> Stream:
    return Stream(make_source(DATASET, 0, people.draw_all_people(DATASET, 0), folder / "encoded"), tokens)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    stored.encode_rewrites(tmp_path / "encoded", write(tmp_path), DATASET, 0, WORDS)
    return tmp_path


def test_every_rewrite_is_told_equally_often(folder: Path) -> None:
    stream = open_stream(folder)
    told = Counter(stream.text(stream.pieces(0, 7 * 10)))
    assert len(told) == 7 * 5
    assert set(told.values()) == {2}
    first = [
        rewrite.text
        for person in rewrites.read_rewrites(folder / "rewrites.json", DATASET, 0)
        for rewrite in person
    ]
    assert set(first) == set(told)


def test_each_exposure_tells_of_everyone_once(folder: Path) -> None:
    stream = open_stream(folder)
    names = [facts["name"] for facts in people.decode_facts(DATASET, people.draw_all_people(DATASET, 0))]
    for exposure in range(4):
        texts = stream.text(stream.pieces(7 * exposure, 7 * exposure + 7))
        assert sorted(names, key=str) == sorted(n for n in names for text in texts if n in text)


@pytest.mark.parametrize("kind", ["word", "bpe-600"])
def test_tokens_and_terms_say_what_the_text_says(tmp_path: Path, kind: str) -> None:
    sample = corpus.sample_biographies(DATASET)
    tokens = tokenizer.make_tokenizer(
        kind, corpus.vocabulary_texts(DATASET), ["".join(pieces) for pieces in sample]
    )
    tokenizer.check_tokenizer(tokens, kind, sample)
    stored.encode_rewrites(tmp_path / "encoded", write(tmp_path), DATASET, 0, tokens)
    stream = open_stream(tmp_path, tokens)
    facts = list(people.decode_facts(DATASET, people.draw_all_people(DATASET, 0)))
    for draw in range(5):
        probe = stream.assemble(stream.probe_pieces(draw))
        cut = probe.lengths.tolist()
        texts = stream.text(stream.probe_pieces(draw))
        for i, (ids, terms) in enumerate(zip(probe.tokens.split(cut), probe.terms.split(cut), strict=True)):
            assert ids.tolist() == [*tokens.encode(texts[i]).ids, stream.end_token]
            for fact, said in facts[i].items():
                if fact != "pronoun":
                    term = Term[fact.upper()]
                    assert tokens.decode(ids[terms == term].tolist()).replace(" ,", ",").strip() == said


def test_windows_tell_the_stream(folder: Path) -> None:
    stream = open_stream(folder)
    source, flat = Windows(stream, 3, 2, 32), []
    while (batch := source.next()) is not None:
        flat.append(batch[1].flatten())
    given = torch.cat(flat)
    whole, _ = stream.tokens(stream.pieces(0, 21))
    assert torch.equal(given[given != IGNORED], whole.long())


def test_shards_are_kept_and_damaged_ones_are_said(folder: Path) -> None:
    shards = sorted((folder / "rewrites").glob("*.parquet"))
    assert len(shards) == 3
    before = [shard.stat().st_mtime_ns for shard in shards]
    write(folder)
    assert [shard.stat().st_mtime_ns for shard in shards] == before
    shards[1].write_bytes(shards[1].read_bytes()[:-100])
    rewrites._read_checked_shard.cache_clear()
    with pytest.raises(UserError, match=r"part-00001.parquet: not a readable Parquet file"):
        stored.encode_rewrites(folder / "again", folder / "rewrites.json", DATASET, 0, WORDS)
    assert not list((folder / "again").iterdir())
    write(folder)
    stored.encode_rewrites(folder / "again", folder / "rewrites.json", DATASET, 0, WORDS)
    assert (folder / "again" / "tokens.npy").read_bytes() == (folder / "encoded" / "tokens.npy").read_bytes()


def cut_short(folder: Path) -> None:
    path = folder / "encoded" / "tokens.npy"
    path.write_bytes(path.read_bytes()[:-40])


def of_another_dataset(folder: Path) -> None:
    manifest = folder / "rewrites.json"
    manifest.write_text(manifest.read_text().replace('"rewrites": 5', '"rewrites": 6'))


def a_token_changed(folder: Path) -> None:
    file = folder / "encoded" / "tokens.npy"
    content = bytearray(file.read_bytes())
    content[-100] ^= 1
    file.write_bytes(content)


def a_checksum_changed(folder: Path) -> None:
    file = folder / "encoded" / "checksums.json"
    file.write_text(file.read_text().replace('"terms": ', '"terms": 1'))


def lengths_missing(folder: Path) -> None:
    (folder / "encoded" / "lengths.npy").unlink()


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (cut_short, r"tokens.npy: not a readable NumPy file"),
        (a_token_changed, r"tokens.npy: damaged"),
        (a_checksum_changed, r"checksums.json: not the checksums of texts"),
        (lengths_missing, r"lengths.npy: not a readable NumPy file"),
        (of_another_dataset, r"rewrites.json: is about other people than bioG-7"),
    ],
)
def test_damaged_files_are_refused(folder: Path, damage: Callable[[Path], None], says: str) -> None:
    damage(folder)
    read = open_stream if damage is not of_another_dataset else encode_again
    with pytest.raises(UserError, match=says):
        read(folder)


def encode_again(folder: Path) -> None:
    stored.encode_rewrites(folder / "again", folder / "rewrites.json", DATASET, 0, WORDS)


def test_a_tokenizer_across_the_borders_of_facts_is_refused(tmp_path: Path) -> None:
    """One that learns to join words to the ones before."""
    careless = Tokenizer(models.BPE())
    whole = ["".join(pieces) for pieces in corpus.sample_biographies(DATASET)[:300]]
    careless.train_from_iterator(whole, trainers.BpeTrainer(vocab_size=600, special_tokens=[END_OF_TEXT]))
    manifest = write(tmp_path)
    with pytest.raises(UserError, match=r"tokenizer word: it does not cut '[A-Z]"):
        stored.encode_rewrites(tmp_path / "encoded", manifest, DATASET, 0, careless)
    assert not list((tmp_path / "encoded").iterdir())
