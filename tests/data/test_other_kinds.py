"""bioS_simple and random strings."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from knowledge_capacity.data import people
from knowledge_capacity.data.pieces import Term
from knowledge_capacity.data.stream import Stream
from knowledge_capacity.data.windows import IGNORED, Windows
from knowledge_capacity.specs import BioS, BioSSimple, Dataset, Pools, RandomStrings

SIMPLE = BioSSimple(n_people=40, templates=7, pools=Pools(10, 10, 10))
STRINGS = [
    RandomStrings(n_strings=16, length=2, symbols=4),  # all there are
    RandomStrings(n_strings=50, length=20, symbols=3),
    RandomStrings(n_strings=50, length=64, symbols=2048),
]
StreamOf = Callable[[Dataset, int], Stream]


def test_bios_simple_repeats_one_text_for_each_person(stream_of: StreamOf) -> None:
    stream = stream_of(SIMPLE, 0)
    texts = set(stream.text(stream.pieces(0, 5 * 40)))
    assert len(texts) == 40
    for draw in range(4):
        assert set(stream.text(stream.probe_pieces(draw))) == texts


def test_bios_simple_is_about_the_people_of_bios(stream_of: StreamOf) -> None:
    bios = BioS(n_people=40, templates=7, pools=SIMPLE.pools)
    assert torch.equal(stream_of(bios, 3).source.codes, stream_of(SIMPLE, 3).source.codes)
    assert bios.bits_max == SIMPLE.bits_max
    assert len({bios.slug, SIMPLE.slug}) == 2


@pytest.mark.parametrize("dataset", STRINGS, ids=lambda d: d.slug)
def test_an_exposure_tells_every_string_once_and_whole(stream_of: StreamOf, dataset: RandomStrings) -> None:
    stream = stream_of(dataset, 0)
    n, length = dataset.n_strings, dataset.length
    source = Windows(stream, 3, 4, 32)
    flat = []
    while (batch := source.next()) is not None:
        flat.append(batch[1].flatten())
    tokens = torch.cat(flat)
    rows = tokens[tokens != IGNORED].view(3 * n, length + 1)
    assert (rows[:, -1] == stream.end_token).all()
    told = [tuple(row[:-1]) for row in rows.tolist()]
    assert all(len(set(told[e * n : (e + 1) * n])) == n for e in range(3))
    assert set(told[:n]) == set(told[n : 2 * n]) == set(told[2 * n :])
    assert told[:n] != told[n : 2 * n]
    probe = stream.assemble(stream.probe_pieces(0))
    assert int((probe.terms == Term.NAME).sum()) == n * length


@given(seed=st.integers(0, 2**31 - 1))
def test_symbols_are_uniform(seed: int) -> None:
    dataset = RandomStrings(n_strings=2000, length=32, symbols=5)
    counts = torch.bincount(people.draw_all_people(dataset, seed).flatten().long(), minlength=5).double()
    expected = 2000 * 32 / 5
    assert float(((counts - expected) ** 2 / expected).sum()) < 4 + 8 * 8**0.5


def test_bits_of_random_strings_are_those_of_the_set() -> None:
    assert STRINGS[0].bits_max == 0  # there is only one set of all 16 strings; log2(16^16) - 16·log2(16)
    assert RandomStrings(n_strings=1, length=8, symbols=2).bits_max == 8
