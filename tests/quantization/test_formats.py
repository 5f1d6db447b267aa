"""The methods without data against the libraries that define them, and against each other."""

import importlib
from typing import Any

import pytest
import torch
from knowledge_capacity.quantization import fp8, grid, hqq, nf4, rtn
from knowledge_capacity.quiet import suppress_warnings
from knowledge_capacity.specs import Quantizer
from torch import Tensor

with suppress_warnings():
    from compressed_tensors.quantization import QuantizationArgs, fake_quantize  # type: ignore[import-untyped]
    from torchao.quantization.quant_primitives import (  # type: ignore[import-untyped]
        MappingType,
        choose_qparams_affine,
        dequantize_affine,
        quantize_affine,
    )
    from torchao.quantization.quantize_.workflows.nf4.nf4_tensor import (  # type: ignore[import-untyped]
        NF4Tensor,
    )

METHODS: Any = (("rtn", (8, 5, 3, 2)), ("hqq", (8, 5, 3, 2)), ("nf4", (4,)), ("fp8", (8,)))
DATA_FREE = [
    Quantizer(bits, method, size, zero)
    for method, widths in METHODS
    for bits in widths
    for size in (0, 8, 5)
    for zero in ((False, True) if method == "rtn" else (False,))
]


@pytest.fixture
def weight() -> Tensor:
    return 0.05 * torch.randn(12, 16, generator=torch.Generator().manual_seed(3))


def quantized(weight: Tensor, quantizer: Quantizer) -> tuple[Tensor, float]:
    module = importlib.import_module(f"knowledge_capacity.quantization.{quantizer.method}")
    return module.quantize_matrix(weight, quantizer)


@pytest.mark.parametrize("quantizer", DATA_FREE, ids=lambda q: q.slug)
def test_each_group_has_so_many_values_and_rows_stand_alone(weight: Tensor, quantizer: Quantizer) -> None:
    weight[2] = 0
    weight[3] = 0.7  # nothing to choose
    found, stored = quantized(weight, quantizer)
    assert found.shape == weight.shape
    assert found.dtype == torch.float32
    assert torch.equal(found[2], torch.zeros(16))
    torch.testing.assert_close(found[3], weight[3], rtol=0.002, atol=0)
    sizes = [quantizer.group_size] * (16 // quantizer.group_size) if quantizer.group_size else [16]
    sizes += [16 - sum(sizes)] if sum(sizes) < 16 else []
    for group in found.split(sizes, dim=1):
        assert all(len(row.unique()) <= 2**quantizer.bits for row in group)
    zero = {"hqq": 16, "rtn": quantizer.bits * quantizer.zero_point}.get(quantizer.method, 0)
    assert stored == 12 * 16 * quantizer.bits + 12 * len(sizes) * (16 + zero)
    if quantizer.method != "hqq":  # its search ends for all groups at once
        alone, _ = quantized(weight[5:6], quantizer)
        assert torch.equal(alone[0], found[5])


@pytest.mark.parametrize("quantizer", DATA_FREE, ids=lambda q: q.slug)
def test_errors_are_bounded(weight: Tensor, quantizer: Quantizer) -> None:
    found, _ = quantized(weight, quantizer)
    error = float((found - weight).norm() / weight.norm())
    assert 0 < error < {8: 0.04, 5: 0.06, 4: 0.12, 3: 0.25, 2: 0.65}[quantizer.bits]


@pytest.mark.parametrize("size", [16, 8])
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_rtn_with_a_zero_point_is_that_of_torchao(weight: Tensor, bits: int, size: int) -> None:
    block, limits = (1, size), (0, 2**bits - 1)
    scale, zero = choose_qparams_affine(
        weight, MappingType.ASYMMETRIC, block, torch.uint8, *limits, scale_dtype=torch.float16
    )
    scale = scale.float()
    codes = quantize_affine(weight, block, scale, zero, torch.uint8, *limits)
    expected = dequantize_affine(codes, block, scale, zero, torch.uint8, *limits)
    found, _ = rtn.quantize_matrix(weight, Quantizer(bits, "rtn", size, zero_point=True))
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_symmetric_rtn_rounds_as_compressed_tensors_does(weight: Tensor, bits: int) -> None:
    scale = grid.round_scale(weight.abs().amax(dim=1, keepdim=True) / (2 ** (bits - 1) - 1))
    arguments = QuantizationArgs(num_bits=bits, symmetric=True, strategy="channel")
    expected = fake_quantize(weight, scale, torch.zeros_like(scale), arguments)
    assert torch.equal(rtn.quantize_matrix(weight, Quantizer(bits))[0], expected)


def test_nf4_takes_the_levels_and_codes_of_torchao(weight: Tensor) -> None:
    weight = weight.reshape(3, 64)
    theirs = NF4Tensor.from_tensor(weight, block_size=64, scaler_block_size=1)
    levels = torch.tensor(nf4.LEVELS)
    torch.testing.assert_close(levels, theirs.nf4, rtol=0, atol=5.1e-5)  # they give four digits
    found, _ = nf4.quantize_matrix(weight, Quantizer(4, "nf4"))
    largest = weight.abs().amax(dim=1, keepdim=True)
    expected = theirs.get_original_weight() / largest
    torch.testing.assert_close(found / largest.half(), expected, rtol=0, atol=0.005)


def test_fp8_by_hand() -> None:
    # the scale is 1: e4m3 has 3 bits of fraction, 1/8 between 1 and 2, and 32 between 256 and 448
    weight = torch.tensor([[448.0, 1.06, 1.07, -300.0, 0.001]])
    found, _ = fp8.quantize_matrix(weight, Quantizer(8, "fp8"))
    assert found.tolist() == [[448.0, 1.0, 1.125, -288.0, 0.001953125]]


def test_hqq_is_closer_than_round_to_nearest_with_few_bits(weight: Tensor) -> None:
    weight[:, 0] *= 4  # an outlier in each row
    for bits in (2, 3):
        ours = hqq.quantize_matrix(weight, Quantizer(bits, "hqq"))[0]
        plain = rtn.quantize_matrix(weight, Quantizer(bits, zero_point=True))[0]
        assert float((ours - weight).abs().mean()) < 0.95 * float((plain - weight).abs().mean())
