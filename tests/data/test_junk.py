"""Junk: how much of it, where it stands, and that nothing useful is lost."""

from collections import Counter
from functools import cache

import pytest
import torch
from helpers.batches import assert_same_batches, assert_same_taken, batches
from hypothesis import given
from hypothesis import strategies as st
from knowledge_capacity.data import corpus, people, tokenizer
from knowledge_capacity.data.bios import BioSSource
from knowledge_capacity.data.pieces import DOMAIN_TOKEN, Term
from knowledge_capacity.data.stream import Lane, Stream, make_source, n_junk
from knowledge_capacity.data.windows import IGNORED, Windows, n_mixed_biographies
from knowledge_capacity.specs import BioS, Junk, Pools
from torch import Tensor

POOLS = Pools(10, 10, 10, birth_years=4, cities=8, universities=6, majors=5, employers=9)
DATASET = BioS(n_people=11, pools=POOLS, templates=3)
EXPOSURES = 4
JUNK = [
    Junk(people=500),
    Junk(people=3, share=0.5),
    Junk(people=500, windows="mixed"),
    Junk(people=3, share=0.7, windows="mixed", domain_token="useful"),
    Junk(people=40, share=0.25, domain_token="junk"),
    Junk(people=40, share=0.9, domain_token="useful"),
]
every_junk = pytest.mark.parametrize("junk", JUNK, ids=lambda junk: junk.slug)
# mixed windows at once, pure ones, which take longer, when all tests run
each_junk = pytest.mark.parametrize(
    "junk",
    [
        pytest.param(junk, marks=[] if junk.windows == "mixed" else pytest.mark.slow, id=junk.slug)
        for junk in JUNK
    ],
)


@cache
def stream_with(junk: Junk) -> Stream:
    tokens = tokenizer.make_word_tokenizer(corpus.vocabulary_texts(DATASET))
    if junk.domain_token != "none":
        tokens.add_special_tokens([DOMAIN_TOKEN])
    return Stream(make_source(DATASET, 0, people.draw_all_people(DATASET, 0)), tokens, junk)


def names(tokens: Tensor, stream: Stream, lane: Lane, n: int) -> list[int]:
    """How often each of the first n people of a lane is named in the tokens."""
    assert stream.junk
    index = torch.arange(n) + (DATASET.n_people if lane == Lane.JUNK else 0)
    codes = people.draw_people(DATASET, 0, index)[:, :3]
    assert isinstance(stream.source, BioSSource)
    number = torch.stack(
        [part[code] for part, code in zip(stream.source.names, codes.T, strict=True)],
        dim=1,
    )
    wanted = stream.assemble(number).tokens.view(n, 3)
    found = Counter(map(tuple, tokens.unfold(0, 3, 1).tolist()))
    return [found[tuple(name)] for name in wanted.tolist()]


def targets(stream: Stream, batch_size: int, window: int) -> Tensor:
    given = [target for _, target in batches(Windows(stream, EXPOSURES, batch_size, window))]
    return torch.stack(given).view(-1, window)


@every_junk
@pytest.mark.parametrize(("batch_size", "window"), [(1, 64), (3, 100), (16, 512)])
def test_every_useful_fact_is_told_once_per_exposure(junk: Junk, batch_size: int, window: int) -> None:
    stream = stream_with(junk)
    rows = targets(stream, batch_size, window)
    if junk.windows == "pure":
        is_junk = torch.tensor([n_junk(junk, w + 1) > n_junk(junk, w) for w in range(len(rows))])
        assert names(rows[is_junk].flatten(), stream, Lane.USEFUL, DATASET.n_people) == [0] * DATASET.n_people
        rows = rows[~is_junk]
    useful = rows.flatten()
    told = names(useful[useful != IGNORED], stream, Lane.USEFUL, DATASET.n_people)
    assert told == [EXPOSURES] * DATASET.n_people


@every_junk
def test_junk_is_as_much_as_asked_for_and_repeats_as_little_as_it_can(junk: Junk) -> None:
    stream = stream_with(junk)
    rows = targets(stream, 4, 32)
    flat = rows.flatten()
    told = sum(names(flat[flat != IGNORED], stream, Lane.USEFUL, DATASET.n_people))
    if junk.windows == "pure":
        is_junk = torch.tensor([n_junk(junk, w + 1) > n_junk(junk, w) for w in range(len(rows))])
        assert abs(float(is_junk.double().mean()) - junk.share) < 1 / len(rows)
        flat = rows[is_junk].flatten()
    else:
        total = n_mixed_biographies(junk, told)
        assert abs((total - told) / total - junk.share) < 1 / total
    repeats = names(flat[flat != IGNORED], stream, Lane.JUNK, junk.people)
    # all are told equally often, but for names cut by a window's end, and the pass that is under way
    if junk.windows == "mixed":
        assert sum(repeats) == n_mixed_biographies(junk, told) - told
        assert max(repeats) - min(repeats) <= 1
    assert max(repeats) <= -(-sum(repeats) // junk.people) + 1


@every_junk
def test_junk_people_are_others(junk: Junk) -> None:
    stream = stream_with(junk)
    ours = {tuple(row[:3]) for row in stream.source.codes.tolist()}
    theirs = people.draw_people(DATASET, 0, DATASET.n_people + torch.arange(junk.people))
    assert not ours & {tuple(row[:3]) for row in theirs.tolist()}


@every_junk
def test_the_domain_token_opens_the_biographies_of_its_domain(junk: Junk) -> None:
    stream = stream_with(junk)
    marked = {"useful": Lane.USEFUL, "junk": Lane.JUNK, "none": None}[junk.domain_token]
    for lane in (Lane.USEFUL, Lane.JUNK):
        biographies = stream.assemble(stream.pieces(0, 30, lane))
        starts = biographies.lengths.cumsum(0) - biographies.lengths
        first = biographies.terms[starts]
        assert torch.equal(first, torch.full_like(first, Term.NONE if lane == marked else Term.NAME))
        if lane == marked:
            domain = int(biographies.tokens[0])
            assert torch.equal((biographies.tokens == domain).nonzero()[:, 0], starts)
    # whoever is asked about useful facts is asked as they were told
    probe = stream.assemble(stream.probe_pieces(0))
    assert (int(probe.terms[0]) == Term.NONE) == (junk.domain_token == "useful")


@each_junk
@given(batch_size=st.integers(1, 6), window=st.integers(8, 90), taken=st.integers(0, 40))
def test_going_on_from_a_cursor_gives_the_same_batches(
    junk: Junk, batch_size: int, window: int, taken: int
) -> None:
    source = Windows(stream_with(junk), EXPOSURES, batch_size, window)
    for _ in range(taken):
        source.next()
    resumed = Windows(stream_with(junk), EXPOSURES, batch_size, window, source.cursor())
    assert_same_batches(resumed, source)


@each_junk
@given(batch_size=st.integers(1, 6), window=st.integers(8, 90), most=st.integers(1, 30))
def test_taking_many_batches_at_once_gives_the_same_ones(
    junk: Junk, batch_size: int, window: int, most: int
) -> None:
    many, one = (Windows(stream_with(junk), EXPOSURES, batch_size, window) for _ in range(2))
    assert_same_taken(many, one, most)


@every_junk
@given(batch_size=st.integers(1, 7))
def test_the_batch_size_does_not_change_the_windows(junk: Junk, batch_size: int) -> None:
    ours, one = targets(stream_with(junk), batch_size, 48), targets(stream_with(junk), 1, 48)
    assert torch.equal(ours[: len(one)], one)


@pytest.mark.parametrize("share", [0.1, 0.5, 2 / 3, 0.875, pytest.param(0.999, marks=pytest.mark.slow)])
def test_the_expected_number_of_tokens_is_that_of_the_stream(share: float) -> None:
    for windows in ("pure", "mixed"):
        stream = stream_with(Junk(people=500, share=share, windows=windows))
        source = Windows(stream, 20, 2, 32)
        given = sum(int((target != IGNORED).sum()) for _, target in batches(source))
        assert given == pytest.approx(source.expected_tokens, rel=0.03)


def test_a_hundred_million_junk_people_are_drawn_when_they_are_needed() -> None:
    dataset = BioS(n_people=11)
    tokens = tokenizer.make_word_tokenizer(corpus.vocabulary_texts(dataset))
    stream = Stream(
        make_source(dataset, 0, people.draw_all_people(dataset, 0)), tokens, Junk(people=100_000_000)
    )
    far = stream.pieces(250_000_000, 250_000_010, Lane.JUNK)  # the third pass
    assert all(text.endswith(".") for text in stream.text(far))
    assert len(stream.source.codes) == 11


@given(share=st.floats(0.001, 0.999), n=st.integers(0, 10**10))
def test_counting_junk_is_exact_however_the_share_is_written(share: float, n: int) -> None:
    junk = Junk(people=5, share=share)
    assert int(n_junk(junk, torch.tensor([n]))[0]) == n_junk(junk, n)
    assert abs(n_junk(junk, n) - n * share) <= 1 + n * 1e-6
    assert n_junk(junk, n_mixed_biographies(junk, n)) == n_mixed_biographies(junk, n) - n
