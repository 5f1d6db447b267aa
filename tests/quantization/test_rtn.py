"""Round to nearest: its error, its codes and its bits."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from knowledge_capacity.quantization.rtn import quantize_matrix
from knowledge_capacity.specs import Quantizer
from torch import Tensor


def random_matrix(rows: int, columns: int, seed: int = 0) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


@given(
    rows=st.integers(1, 6),
    columns=st.integers(1, 20),
    bits=st.integers(2, 8),
    group_size=st.integers(0, 25),
    size=st.sampled_from([1e-6, 1.0, 1e6]),
    seed=st.integers(0, 1000),
)
def test_weights_move_by_half_a_step_at_most_and_codes_fit(
    rows: int, columns: int, bits: int, group_size: int, size: float, seed: int
) -> None:
    weight = random_matrix(rows, columns, seed) * size
    before = weight.clone()
    found, stored = quantize_matrix(weight, Quantizer(bits=bits, group_size=group_size))
    assert torch.equal(weight, before)
    assert found.shape == weight.shape
    assert found.dtype == weight.dtype
    largest = 2 ** (bits - 1) - 1
    n_groups = 0
    for group, back in zip(
        weight.split(group_size or columns, dim=1), found.split(group_size or columns, dim=1), strict=True
    ):
        n_groups += rows
        scale = group.abs().amax(dim=1, keepdim=True).double() / largest
        assert bool(((group - back).abs() <= 0.5 * scale * (1 + 1e-5)).all())
        codes = back / scale
        torch.testing.assert_close(codes, codes.round(), atol=1e-4, rtol=0)
        assert float(codes.round().abs().max()) == largest  # the largest weight takes the largest code
    assert stored == rows * columns * bits + n_groups * 32


def test_more_bits_are_closer() -> None:
    weight = random_matrix(16, 64)
    errors = [
        float((quantize_matrix(weight, Quantizer(bits=bits))[0] - weight).square().mean())
        for bits in (8, 6, 4, 3, 2)
    ]
    assert errors == sorted(errors)
    assert 0 < errors[0] < errors[-1] / 1000


def test_smaller_groups_are_closer_and_cost_more() -> None:
    weight = random_matrix(16, 64)
    sizes = [quantize_matrix(weight, Quantizer(bits=4, group_size=size)) for size in (64, 32, 8)]
    errors = [float((found - weight).square().mean()) for found, _ in sizes]
    assert errors == sorted(errors, reverse=True)
    assert [stored for _, stored in sizes] == [4096 + 16 * 32, 4096 + 32 * 32, 4096 + 128 * 32]
    whole, stored = quantize_matrix(weight, Quantizer(bits=4, group_size=0))
    assert torch.equal(whole, sizes[0][0])
    assert stored == sizes[0][1]


@pytest.mark.parametrize("group_size", [0, 2])
def test_rows_of_zeros_stay_zero(group_size: int) -> None:
    weight = random_matrix(3, 5)
    weight[1] = 0
    found, _ = quantize_matrix(weight, Quantizer(bits=4, group_size=group_size))
    assert torch.equal(found[1], torch.zeros(5))
    assert found.isfinite().all()


def test_a_case_by_hand() -> None:
    weight = torch.tensor([[7.0, -3.4, 0.6, 2.0, 9.0], [0.0, 0.0, -1.4, 0.7, 0.1]])
    found, stored = quantize_matrix(weight, Quantizer(bits=4))
    # steps of 9/7 and 1.4/7
    expected = torch.tensor([[5 * 9 / 7, -3 * 9 / 7, 0.0, 2 * 9 / 7, 9.0], [0, 0, -1.4, 0.8, 0.0]])
    torch.testing.assert_close(found, expected)
    assert stored == 10 * 4 + 2 * 32


def test_a_case_by_hand_with_groups_and_a_remainder() -> None:
    weight = torch.tensor([[7.0, -3.4, 0.6, 2.0, 9.0], [0.0, 0.0, -1.4, 0.7, 0.1]])
    found, stored = quantize_matrix(weight, Quantizer(bits=2, group_size=2))
    expected = torch.tensor([[7.0, 0.0, 0.0, 2.0, 9.0], [0.0, 0.0, -1.4, 0.0, 0.1]])
    expected[1, 3] = found[1, 3]  # half a step between two codes, up to rounding
    torch.testing.assert_close(found, expected)
    assert stored == 10 * 2 + 2 * 3 * 32
