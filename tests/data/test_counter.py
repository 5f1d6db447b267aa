"""Random numbers: Philox as published, permutations, and uniform integers."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from knowledge_capacity.data.counter import Purpose, permute_index, philox, random_words, uniform_below

ONES = 0xFFFFFFFF


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        # Random123, tests/kat_vectors, philox4x32 10
        ([0, 0, 0, 0], (0, 0), [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([ONES] * 4, (ONES, ONES), [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            (0xA4093822, 0x299F31D0),
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_philox_gives_the_published_words(
    counter: list[int], key: tuple[int, int], expected: list[int]
) -> None:
    c0, c1, c2, c3 = (torch.tensor([word, word]) for word in counter)
    found = philox((c0, c1, c2, c3), key)
    assert [word.tolist() for word in found] == [[word] * 2 for word in expected]


@given(
    seed=st.integers(0, 2**31 - 1),
    indices=st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=8),
    turn=st.integers(0, 2**32 - 1),
    n=st.integers(1, 11),
)
def test_words_depend_on_nothing_but_their_own_place(
    seed: int, indices: list[int], turn: int, n: int
) -> None:
    index = torch.tensor(indices)
    together = random_words(seed, Purpose.FACTS, index, turn, n)
    assert together.shape == (len(indices), n)
    assert int(together.min()) >= 0
    assert int(together.max()) <= ONES
    alone = [
        random_words(seed, Purpose.FACTS, index[i : i + 1], torch.tensor([turn]), 12)[:, :n]
        for i in range(len(index))
    ]
    assert torch.equal(together, torch.cat(alone))


def test_words_differ_with_seed_purpose_index_and_turn() -> None:
    index = torch.tensor([5])
    drawn = [
        random_words(0, Purpose.FACTS, index),
        random_words(1, Purpose.FACTS, index),
        random_words(0, Purpose.WORDING, index),
        random_words(0, Purpose.FACTS, index + 1),
        random_words(0, Purpose.FACTS, index + 2**32),
        random_words(0, Purpose.FACTS, index, 1),
        random_words(0, Purpose.FACTS, index, n=8)[:, 4:],
    ]
    assert len({tuple(row.flatten().tolist()) for row in drawn}) == len(drawn)


@given(n=st.integers(1, 3000), seed=st.integers(0, 2**31 - 1), turn=st.integers(0, 2**32 - 1))
def test_permute_is_a_bijection(n: int, seed: int, turn: int) -> None:
    index = torch.arange(n)
    found = permute_index(seed, Purpose.NAMES, n, index, turn)
    assert torch.equal(found.sort().values, index)
    # each index goes where it goes, whichever others are asked about
    some = index[:: max(1, n // 7)].flip(0)
    assert torch.equal(permute_index(seed, Purpose.NAMES, n, some, turn), found[some])


def test_permute_keeps_large_indices_apart_and_in_range() -> None:
    n = 2**40 - 87
    index = torch.cat([torch.arange(5000), n - 1 - torch.arange(5000)])
    found = permute_index(0, Purpose.STRINGS, n, index)
    assert len(found.unique()) == len(index)
    assert int(found.min()) >= 0
    assert int(found.max()) < n
    assert (found.double() / n).mean().item() == pytest.approx(0.5, abs=5 / math.sqrt(12 * len(index)))


@pytest.mark.parametrize("other", [{"seed": 1}, {"turn": 1}, {"purpose": Purpose.VISITING_ORDER}])
def test_permute_differs_between_seeds_turns_and_purposes(other: dict[str, int]) -> None:
    n = 1000
    index = torch.arange(n)
    here = permute_index(0, Purpose.NAMES, n, index, 0)
    there = permute_index(
        other.get("seed", 0), Purpose(other.get("purpose", Purpose.NAMES)), n, index, other.get("turn", 0)
    )
    # two random permutations agree at 1 place on average; 10 or more have probability below 1e-6
    assert int((here == there).sum()) < 10


def test_permute_takes_a_turn_for_every_index() -> None:
    n = 37
    index, turn = torch.arange(n).repeat(3), torch.arange(3).repeat_interleave(n)
    found = permute_index(4, Purpose.VISITING_ORDER, n, index, turn)
    one_by_one = [permute_index(4, Purpose.VISITING_ORDER, n, torch.arange(n), t) for t in range(3)]
    assert torch.equal(found, torch.cat(one_by_one))


def test_every_index_goes_everywhere_equally_often() -> None:
    n, turns = 40, 3000
    index, turn = torch.arange(n).repeat(turns), torch.arange(turns).repeat_interleave(n)
    found = permute_index(3, Purpose.VISITING_ORDER, n, index, turn)
    counts = torch.bincount(index * n + found, minlength=n * n).double()
    expected, freedom = turns / n, (n - 1) ** 2
    chi_square = float(((counts - expected) ** 2 / expected).sum())
    assert abs(chi_square - freedom) < 5 * math.sqrt(2 * freedom)


@given(word=st.integers(0, ONES), bound=st.integers(1, 2**31 - 1))
def test_below_is_the_floor_of_the_fraction(word: int, bound: int) -> None:
    assert int(uniform_below(torch.tensor(word), bound)) == word * bound // 2**32


@pytest.mark.parametrize("bound", [2, 7, 263])
def test_below_is_uniform(bound: int) -> None:
    n = 40_000
    counts = torch.bincount(
        uniform_below(random_words(0, Purpose.FACTS, torch.arange(n // 4)).flatten(), bound)
    ).double()
    assert len(counts) == bound
    chi_square = float(((counts - n / bound) ** 2 / (n / bound)).sum())
    assert abs(chi_square - (bound - 1)) < 5 * math.sqrt(2 * (bound - 1))
