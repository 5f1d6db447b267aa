"""Counter-based random numbers: every draw is a pure function of where it stands, on any device.

Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011) turns a 128-bit counter
and a 64-bit key into 128 random bits. 32-bit words are carried in int64 tensors, since torch has no unsigned
arithmetic on all devices; products wrap modulo 2^64, which leaves the bits that are used intact.
"""

import math
from enum import IntEnum
from functools import cache

import torch
from torch import Tensor

MASK = 0xFFFFFFFF


class Purpose(IntEnum):
    """What a draw is for. Draws for different purposes are independent. Never renumber: data would change."""

    NAMES = 1
    FACTS = 2
    STRINGS = 3
    VISITING_ORDER = 4
    WORDING = 5
    PROBE = 6
    JUNK_ORDER = 7
    JUNK_WORDING = 8
    REWRITING = 9
    REWRITE_ORDER = 10


def philox(counter: tuple[Tensor, Tensor, Tensor, Tensor], key: tuple[int, int]) -> tuple[Tensor, ...]:
    """Four random 32-bit words per counter, as int64 tensors of the counters' shape."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        product0, product1 = c0 * 0xD2511F53, c2 * 0xCD9E8D57
        c0, c1, c2, c3 = (
            ((product1 >> 32) & MASK) ^ c1 ^ k0,
            product1 & MASK,
            ((product0 >> 32) & MASK) ^ c3 ^ k1,
            product0 & MASK,
        )
        k0, k1 = (k0 + 0x9E3779B9) & MASK, (k1 + 0xBB67AE85) & MASK
    return c0, c1, c2, c3


def random_words(seed: int, purpose: Purpose, index: Tensor, turn: Tensor | int = 0, n: int = 4) -> Tensor:
    """`n` random 32-bit words for every (index, turn).

    index, turn: int64, of one shape (...), index below 2^63, turn below 2^32. Returns int64 (..., n).
    """
    turn = torch.as_tensor(turn, device=index.device).expand_as(index)
    blocks = [
        philox((index & MASK, index >> 32, turn, torch.full_like(index, block)), (seed, int(purpose)))
        for block in range(math.ceil(n / 4))
    ]
    return torch.stack([word for block in blocks for word in block][:n], dim=-1)


def uniform_below(word: Tensor, bound: int | Tensor) -> Tensor:
    """A uniform integer in [0, bound) from a 32-bit word; the bias is at most bound / 2^32."""
    return (word * bound) >> 32


def permute_index(seed: int, purpose: Purpose, n: int, index: Tensor, turn: Tensor | int = 0) -> Tensor:
    """Where `index` goes in the `turn`-th random permutation of 0..n-1, in constant memory.

    A Feistel network over the rectangle a × b just large enough for n, with steps outside n walked on.
    index: int64 in [0, n). turn: as in `random_words`. Returns int64 of index's shape; a bijection for every turn.
    """
    a = math.isqrt(n - 1) + 1
    b = -(-n // a)
    turn = torch.as_tensor(turn, device=index.device).expand_as(index)
    keys = [_hash_word(turn + _round_constant(seed, purpose, step)) for step in range(8)]

    def network(x: Tensor, keys: list[Tensor]) -> Tensor:
        left, right = x // b, x % b
        for step, key in enumerate(keys):
            if step % 2 == 0:
                left = (left + _hash_word(right + key)) % a
            else:
                right = (right + _hash_word(left + key)) % b
        return left * b + right

    result = network(index, keys)
    outside = (result >= n).nonzero(as_tuple=True)
    while outside[0].numel():
        walked = network(result[outside], [key[outside] for key in keys])
        result[outside] = walked
        still = walked >= n
        outside = tuple(axis[still] for axis in outside)
    return result


def person_index(seed: int, purpose: Purpose, n: int, number: Tensor) -> Tensor:
    """Who of n each biography tells of, by its number: every n in a row tell of all, in a fresh order."""
    return permute_index(seed, purpose, n, number % n, number // n)


def _hash_word(x: Tensor) -> Tensor:
    """A 32-bit hash of the low 32 bits of x (the finaliser of MurmurHash3)."""
    x = x & MASK
    x = ((x ^ (x >> 16)) * 0x85EBCA6B) & MASK
    x = ((x ^ (x >> 13)) * 0xC2B2AE35) & MASK
    return x ^ (x >> 16)


@cache
def _round_constant(seed: int, purpose: Purpose, step: int) -> int:
    """A round constant of the Feistel network."""
    zero = torch.zeros((), dtype=torch.int64)
    return int(philox((zero + step, zero, zero, zero), (seed, int(purpose)))[0])
