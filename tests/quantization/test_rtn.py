"""Round to nearest: its error, its codes and its bits."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from knowledge_capacity.files import UserError
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
    zero_point=st.booleans(),
    size=st.sampled_from([0.02, 1.0, 100.0]),
    seed=st.integers(0, 1000),
)
def test_weights_move_by_half_a_step_at_most_and_codes_fit(
    rows: int, columns: int, bits: int, group_size: int, zero_point: bool, size: float, seed: int
) -> None:
    weight = random_matrix(rows, columns, seed) * size
    before = weight.clone()
    found, stored = quantize_matrix(weight, Quantizer(bits, "rtn", group_size, zero_point))
    assert torch.equal(weight, before)
    assert found.shape == weight.shape
    assert found.dtype == weight.dtype
    n_groups = 0
    for group, back in zip(
        weight.split(group_size or columns, dim=1), found.split(group_size or columns, dim=1), strict=True
    ):
        n_groups += rows
        if zero_point:
            levels = 2**bits - 1
            exact = (group.amax(dim=1).clamp_min(0) - group.amin(dim=1).clamp_max(0)) / levels
        else:
            levels = 2 ** (bits - 1) - 1
            exact = group.abs().amax(dim=1) / levels
        step = exact.half().float()[:, None]
        # a scale that float16 rounds down clips the largest weight; with a zero point both ends may move by half a step
        clipped = levels * (exact[:, None] - step).abs()
        most = 1.001 * (1 if zero_point else 0.5) * step + clipped
        assert bool(((group - back).abs() <= most).all())
        codes = back / step
        torch.testing.assert_close(codes, codes.round(), atol=1e-3, rtol=0)
        assert float((codes.amax(dim=1) - codes.amin(dim=1)).max()) <= 2**bits - 1 + 1e-3
    assert stored == rows * columns * bits + n_groups * (16 + bits * zero_point)


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
    assert [stored for _, stored in sizes] == [4096 + 16 * 16, 4096 + 32 * 16, 4096 + 128 * 16]
    whole, stored = quantize_matrix(weight, Quantizer(bits=4, group_size=0))
    assert torch.equal(whole, sizes[0][0])
    assert stored == sizes[0][1]


@pytest.mark.parametrize("zero_point", [False, True])
@pytest.mark.parametrize("group_size", [0, 2])
def test_rows_of_zeros_stay_zero(group_size: int, zero_point: bool) -> None:
    weight = random_matrix(3, 5)
    weight[1] = 0
    found, _ = quantize_matrix(weight, Quantizer(4, "rtn", group_size, zero_point))
    assert torch.equal(found[1], torch.zeros(5))
    assert found.isfinite().all()


def test_a_case_by_hand() -> None:
    weight = torch.tensor([[7.0, -3.4, 0.6, 2.0, 9.0], [0.0, 0.0, -1.4, 0.7, 0.1]])
    found, stored = quantize_matrix(weight, Quantizer(bits=4))
    # steps of 9/7 and 1.4/7, in float16
    step, other = 1.2861328125, 0.199951171875
    codes = torch.tensor([[5.0, -3, 0, 2, 7], [0, 0, -7, 4, 1]])
    expected = codes * torch.tensor([[step], [other]])
    expected[1, 3] = found[1, 3]  # half a step between two codes, up to rounding
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=0)
    assert stored == 10 * 4 + 2 * 16


def test_a_case_by_hand_with_a_zero_point_and_a_shorter_group() -> None:
    weight = torch.tensor([[-1.0, 2.0, 5.0, 3.0]])
    found, stored = quantize_matrix(weight, Quantizer(2, "rtn", group_size=3, zero_point=True))
    # steps of 6/3 with zero at code 0.5, which rounds to 0, and of 3/3 from 0
    torch.testing.assert_close(found, torch.tensor([[0.0, 2.0, 4.0, 3.0]]))
    assert stored == 4 * 2 + 2 * (16 + 2)


def test_weights_too_large_for_a_scale_are_refused() -> None:
    with pytest.raises(UserError, match=r"as large as 1e\+07 needs a scale of more than float16 can store"):
        quantize_matrix(torch.full((2, 3), 1e7), Quantizer(bits=2))
