"""The stream: a pure function of where it stands, with exact exposures."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from knowledge_capacity.data import corpus, pools, tokenizer
from knowledge_capacity.data.pieces import Term
from knowledge_capacity.data.stream import Stream, TokenizedBiographies, make_source
from knowledge_capacity.data.strings import BioDSource
from knowledge_capacity.data.windows import Windows
from knowledge_capacity.specs import BioD, BioS, Dataset, Pools
from torch import Tensor

SMALL = Pools(4, 4, 5, birth_years=4, cities=8, universities=6, majors=5, employers=9)
BIOS = BioS(n_people=23, pools=SMALL, templates=50)
BIOD = BioD(n_people=23, attributes=3, chunks=2, diversity=6, length=2, symbols=5, pools=SMALL)
N = 23
DATASETS = pytest.mark.parametrize("dataset", [BIOS, BIOD], ids=["bioS", "bioD"])

StreamOf = Callable[[Dataset, int], Stream]


def names(biographies: TokenizedBiographies) -> list[tuple[int, ...]]:
    """The three tokens of the name in each biography."""
    return [tuple(one) for one in biographies.tokens[biographies.terms == Term.NAME].view(-1, 3).tolist()]


def visited(stream: Stream, start: int, stop: int) -> list[int]:
    """Positions of the people that biographies start..stop-1 are about, read off the tokens of names."""
    position = {name: i for i, name in enumerate(names(stream.assemble(stream.probe_pieces(0))))}
    assert len(position) == stream.dataset.n_people
    return [position[name] for name in names(stream.assemble(stream.pieces(start, stop)))]


@DATASETS
def test_tokenising_the_text_gives_the_tokens(stream_of: StreamOf, dataset: Dataset) -> None:
    stream, encoder = stream_of(dataset, 0), tokenizer.make_word_tokenizer(corpus.vocabulary_texts(dataset))
    for pieces in (stream.pieces(0, 5 * N), stream.probe_pieces(3)):
        biographies = stream.assemble(pieces)
        tokens = biographies.tokens.split(biographies.lengths.tolist())
        for text, ids in zip(stream.text(pieces), tokens, strict=True):
            assert [*encoder.encode(text).ids, stream.end_token] == ids.tolist()


@DATASETS
def test_each_exposure_visits_everyone_once_in_a_fresh_order(stream_of: StreamOf, dataset: Dataset) -> None:
    stream = stream_of(dataset, 0)
    orders = [visited(stream, e * N, (e + 1) * N) for e in range(6)]
    for order in orders:
        assert sorted(order) == list(range(N))
    assert len(set(map(tuple, orders))) == 6


@DATASETS
@given(start=st.integers(0, 4 * N), length=st.integers(0, 4 * N))
def test_any_slice_is_the_slice_of_the_whole(
    stream_of: StreamOf, dataset: Dataset, start: int, length: int
) -> None:
    stream = stream_of(dataset, 0)
    whole = stream.pieces(0, 8 * N)
    piece = stream.pieces(start, start + length)
    assert torch.equal(piece, whole[start : start + length])
    part, everything = stream.assemble(piece), stream.assemble(whole)
    begin = int(everything.lengths[:start].sum())
    end = begin + int(part.lengths.sum())
    assert torch.equal(part.tokens, everything.tokens[begin:end])
    assert torch.equal(part.terms, everything.terms[begin:end])
    assert torch.equal(part.lengths, everything.lengths[start : start + length])


@DATASETS
def test_wording_differs_between_exposures(stream_of: StreamOf, dataset: Dataset) -> None:
    stream = stream_of(dataset, 0)
    whole = zip(visited(stream, 0, 4 * N), stream.text(stream.pieces(0, 4 * N)), strict=True)
    said: dict[int, set[str]] = {person: set() for person in range(N)}
    for person, text in whole:
        said[person].add(text)
    # bioS has 720·50^6 wordings; bioD has only 6 orders, of which four draws hit one alone with p = 1/216
    assert sum(len(texts) == 1 for texts in said.values()) <= (0 if dataset is BIOS else 2)


@DATASETS
def test_seeds_give_other_people_orders_and_wordings(stream_of: StreamOf, dataset: Dataset) -> None:
    ours, theirs = stream_of(dataset, 0), stream_of(dataset, 1)
    assert not torch.equal(ours.source.codes, theirs.source.codes)
    assert visited(ours, 0, N) != visited(theirs, 0, N)
    source = make_source(dataset, 1, ours.source.codes)
    again = Stream(source, tokenizer.make_word_tokenizer(corpus.vocabulary_texts(dataset)))
    assert visited(again, 0, N) == visited(theirs, 0, N)
    assert ours.text(ours.probe_pieces(0)) != again.text(again.probe_pieces(0))


def test_biographies_end_with_the_end_token_and_have_one_pronoun_that_counts(stream_of: StreamOf) -> None:
    stream = stream_of(BIOS, 0)
    biographies = stream.assemble(stream.pieces(0, 3 * N))
    ends = biographies.lengths.cumsum(0) - 1
    assert torch.equal((biographies.tokens == stream.end_token).nonzero()[:, 0], ends)
    assert not biographies.terms[ends].any()
    assert int((biographies.terms == Term.PRONOUN).sum()) == 3 * N


def test_mean_length_is_that_of_the_first_exposure(stream_of: StreamOf) -> None:
    stream = stream_of(BIOS, 0)
    assert stream.mean_length() == stream.assemble(stream.pieces(0, N)).lengths.double().mean()


def sentences(text: str) -> list[str]:
    """The sentences of a biography, with "S" in place of its subject."""
    found = text.removesuffix(".").split(". ")
    name = re.match(r"(?:[A-Z]\w+ ){3}", found[0])
    assert name  # all of our templates begin with the subject
    found[0] = found[0].replace(name[0].strip(), "S")
    return [re.sub(r"\b([Hh]e|[Ss]he)\b", "S", sentence) for sentence in found]


@pytest.mark.parametrize("pair", [0, 1, 5])
def test_odd_probes_are_even_ones_with_employer_and_work_city_exchanged(
    stream_of: StreamOf, pair: int
) -> None:
    stream = stream_of(BIOS, 0)
    period = tokenizer.make_word_tokenizer(corpus.vocabulary_texts(BIOS)).token_to_id(".")
    place: dict[int, list[tuple[int, int]]] = {}
    plain: dict[int, list[list[str]]] = {}
    for draw in (2 * pair, 2 * pair + 1):
        pieces = stream.probe_pieces(draw)
        biographies = stream.assemble(pieces)
        plain[draw] = [sentences(text) for text in stream.text(pieces)]
        place[draw] = []
        cut = biographies.lengths.tolist()
        for tokens, terms in zip(biographies.tokens.split(cut), biographies.terms.split(cut), strict=True):
            sentence = (tokens == period).cumsum(0)
            employer, work_city = (
                int(sentence[terms == term][0]) for term in (Term.EMPLOYER, Term.WORK_CITY)
            )
            place[draw].append((employer, work_city))
    even, odd = 2 * pair, 2 * pair + 1
    for person in range(N):
        employer, work_city = place[even][person]
        assert employer < work_city
        assert place[odd][person] == (work_city, employer)
        exchanged = plain[even][person].copy()
        exchanged[employer], exchanged[work_city] = exchanged[work_city], exchanged[employer]
        assert plain[odd][person] == exchanged


@DATASETS
def test_probes_show_everyone_in_order_and_anew_in_every_pair(stream_of: StreamOf, dataset: Dataset) -> None:
    stream = stream_of(dataset, 0)
    drawn = [stream.text(stream.probe_pieces(draw)) for draw in range(6)]
    assert isinstance(dataset, BioS | BioD)
    encoder, fields = (
        tokenizer.make_word_tokenizer(corpus.vocabulary_texts(dataset)),
        pools.pool_values(dataset.pools),
    )
    expected = [
        tuple(encoder.token_to_id(fields[f][c]) for f, c in zip(pools.NAME_FIELDS, row[:3], strict=True))
        for row in stream.source.codes.tolist()
    ]
    for draw in range(6):
        assert names(stream.assemble(stream.probe_pieces(draw))) == expected
    assert len(set(map(tuple, drawn))) == 6
    assert drawn[0] != stream.text(stream.pieces(0, N))


@DATASETS
def test_slices_made_side_by_side_are_those_of_the_whole(stream_of: StreamOf, dataset: Dataset) -> None:
    stream = stream_of(dataset, 0)
    edges = [*range(0, 20 * N, 37), 20 * N]
    with ThreadPoolExecutor(4) as workers:
        parts = list(workers.map(lambda edge: stream.tokens(stream.pieces(*edge)), pairwise(edges)))
    whole, lengths = stream.tokens(stream.pieces(0, 20 * N))
    assert torch.equal(torch.cat([tokens for tokens, _ in parts]), whole)
    assert torch.equal(torch.cat([long for _, long in parts]), lengths)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@DATASETS
def test_a_gpu_makes_the_same_tokens(stream_of: StreamOf, dataset: Dataset) -> None:
    here, words = stream_of(dataset, 0), tokenizer.make_word_tokenizer(corpus.vocabulary_texts(dataset))
    there = Stream(make_source(dataset, 0, here.source.codes.cuda()), words)
    ours, theirs = (stream.assemble(stream.pieces(0, 9 * N)) for stream in (here, there))
    assert torch.equal(ours.tokens, theirs.tokens.cpu())
    assert torch.equal(ours.terms, theirs.terms.cpu())
    for one, two in zip(windows_of(here), windows_of(there), strict=True):
        assert torch.equal(one, two.cpu())


def windows_of(stream: Stream) -> list[Tensor]:
    """The targets of all batches of three exposures."""
    source, found = Windows(stream, 3, 2, 64), []
    while (batch := source.next()) is not None:
        found.append(batch[1])
    return found


@pytest.mark.parametrize(
    "dataset",
    [
        BioD(n_people=3, attributes=50, chunks=2),
        BioD(n_people=3, chunks=50, diversity=10),
        BioD(n_people=3, diversity=10_000),
        BioD(n_people=3, length=50, symbols=20),
        BioD(n_people=3, length=1, symbols=40_000, diversity=10_000),
    ],
    ids=lambda dataset: dataset.slug,
)
def test_biod_at_the_ends_of_its_range(stream_of: StreamOf, dataset: BioD) -> None:
    stream = stream_of(dataset, 0)
    biographies = stream.assemble(stream.pieces(0, 3))
    chunks = (
        int((biographies.terms == Term.FIRST_CHUNK).sum()),
        int((biographies.terms == Term.OTHER_CHUNKS).sum()),
    )
    symbols = 3 * dataset.attributes * dataset.length
    assert chunks == (symbols, symbols * (dataset.chunks - 1))
    assert isinstance(stream.source, BioDSource)
    sets = stream.source.strings.view(dataset.attributes, dataset.diversity, dataset.length)
    assert all(len(torch.unique(one, dim=0)) == dataset.diversity for one in sets)
