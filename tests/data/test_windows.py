"""Windows: every token of the stream a target once per exposure, from any cursor."""

from collections import Counter
from collections.abc import Callable, Iterator

import pytest
import torch
from helpers.batches import assert_same_batches, assert_same_taken, batches
from hypothesis import given, settings
from hypothesis import strategies as st
from knowledge_capacity.data import windows
from knowledge_capacity.data.pieces import Term
from knowledge_capacity.data.stream import Stream
from knowledge_capacity.data.windows import IGNORED, Cursor, StreamPosition, Windows
from knowledge_capacity.specs import BioD, BioS, Dataset, Pools
from torch import Tensor

SMALL = Pools(3, 3, 4, birth_years=4, cities=8, universities=6, majors=5, employers=9)
BIOS = BioS(n_people=7, pools=SMALL, templates=10)
BIOD = BioD(n_people=7, attributes=2, chunks=2, diversity=6, length=2, symbols=5, pools=SMALL)
DATASETS = pytest.mark.parametrize("dataset", [BIOS, BIOD], ids=["bioS", "bioD"])
N, EXPOSURES = 7, 5

StreamOf = Callable[[Dataset, int], Stream]


@pytest.fixture(autouse=True, scope="module", params=["refilled often", "filled once"])
def _refills(request: pytest.FixtureRequest) -> Iterator[None]:
    """With the usual buffer a small dataset would never be refilled."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "refilled often":
            patch.setattr(windows, "REFILL_TOKENS", 1)
        yield


def real(targets: list[Tensor]) -> Tensor:
    """All targets in order, without those that the loss leaves out."""
    flat = torch.cat([one.flatten() for one in targets])
    return flat[flat != IGNORED]


@DATASETS
@settings(max_examples=15)
@given(exposures=st.integers(1, EXPOSURES), batch_size=st.integers(1, 9), window=st.integers(1, 150))
def test_targets_are_the_whole_stream_and_inputs_the_tokens_before(
    stream_of: StreamOf, dataset: Dataset, exposures: int, batch_size: int, window: int
) -> None:
    stream = stream_of(dataset, 0)
    found = list(batches(Windows(stream, exposures, batch_size, window)))
    assert all(part.shape == (batch_size, window) for batch in found for part in batch)
    whole = stream.assemble(stream.pieces(0, exposures * N)).tokens
    assert torch.equal(real([targets for _, targets in found]), whole)
    inputs = torch.cat([one.flatten() for one, _ in found])
    assert torch.equal(inputs[: len(whole)], torch.cat([torch.tensor([stream.end_token]), whole[:-1]]))
    assert (inputs[len(whole) :] == stream.end_token).all()
    # only the last batch is filled up, and only at its end
    assert len(found) == -(-len(whole) // (batch_size * window))
    last = found[-1][1].flatten()
    assert (last[: len(whole) - (len(found) - 1) * batch_size * window] != IGNORED).all()


@DATASETS
@settings(max_examples=15)
@given(
    batch_size=st.integers(1, 6), window=st.integers(1, 90), taken=st.integers(0, 40), again=st.integers(0, 5)
)
def test_going_on_from_a_cursor_gives_the_same_batches(
    stream_of: StreamOf, dataset: Dataset, batch_size: int, window: int, taken: int, again: int
) -> None:
    stream = stream_of(dataset, 0)
    source = Windows(stream, EXPOSURES, batch_size, window)
    for _ in range(taken):
        source.next()
    resumed = Windows(stream, EXPOSURES, batch_size, window, source.cursor())
    assert resumed.cursor() == source.cursor()
    for _ in range(again):  # and from a cursor of what itself began at a cursor
        resumed.next()
        source.next()
    resumed = Windows(stream, EXPOSURES, batch_size, window, resumed.cursor())
    assert_same_batches(resumed, source)


@DATASETS
@settings(max_examples=15)
@given(batch_size=st.integers(1, 6), window=st.integers(1, 90), most=st.integers(1, 30))
def test_taking_many_batches_at_once_gives_the_same_ones(
    stream_of: StreamOf, dataset: Dataset, batch_size: int, window: int, most: int
) -> None:
    many, one = (Windows(stream_of(dataset, 0), EXPOSURES, batch_size, window) for _ in range(2))
    assert_same_taken(many, one, most)


@DATASETS
@settings(max_examples=15)
@given(biography=st.integers(0, EXPOSURES * N - 1), offset=st.integers(0, 10))
def test_any_cursor_is_a_place_in_the_stream(
    stream_of: StreamOf, dataset: Dataset, biography: int, offset: int
) -> None:
    stream = stream_of(dataset, 0)
    rest = stream.assemble(stream.pieces(biography, EXPOSURES * N)).tokens[offset:]
    source = Windows(stream, EXPOSURES, 2, 16, Cursor(StreamPosition(biography, offset)))
    assert source.cursor() == Cursor(StreamPosition(biography, offset))
    found = list(batches(source))
    assert torch.equal(real([targets for _, targets in found]), rest)


@DATASETS
@pytest.mark.parametrize(("batch_size", "window"), [(1, 8), (3, 64), (16, 512)])
def test_everyone_is_named_once_per_exposure(
    stream_of: StreamOf, dataset: Dataset, batch_size: int, window: int
) -> None:
    stream = stream_of(dataset, 3)
    found = real([targets for _, targets in batches(Windows(stream, EXPOSURES, batch_size, window))])
    known = stream.assemble(stream.probe_pieces(0))
    names = known.tokens[known.terms == Term.NAME].view(-1, 3).tolist()
    counts = Counter(map(tuple, found.unfold(0, 3, 1).tolist()))
    assert [counts[tuple(name)] for name in names] == [EXPOSURES] * N


def test_nothing_follows_the_last_exposure(stream_of: StreamOf) -> None:
    source = Windows(stream_of(BIOS, 0), 1, 4, 32)
    assert len(list(batches(source))) > 0
    assert source.next() is None
    assert source.cursor() == Cursor(StreamPosition(N, 0))
    assert Windows(stream_of(BIOS, 0), 1, 4, 32, Cursor(StreamPosition(N, 0))).next() is None
