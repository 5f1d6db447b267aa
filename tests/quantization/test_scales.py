"""A network keeps its bits when two of its weights are rescaled against each other, or the variant is refused."""

from pathlib import Path
from typing import Any

import pytest
import torch
from knowledge_capacity.files import UserError
from knowledge_capacity.models import store
from knowledge_capacity.models.build import build_model
from knowledge_capacity.models.loss import logits
from knowledge_capacity.quantization import gptq, grid, variants
from knowledge_capacity.specs import Architecture, Experts, Quantizer
from torch import Tensor, nn

METHODS: tuple[tuple[Any, int, bool], ...] = (
    ("rtn", 8, False), ("rtn", 4, True), ("hqq", 5, False), ("nf4", 4, False), ("fp8", 8, False), ("gptq", 8, False),
    ("gptq", 4, True),
)  # fmt: skip
QUANTIZERS = [Quantizer(bits, method, group, zero) for method, bits, zero in METHODS for group in (0, 8)]
EVERY = pytest.mark.parametrize("quantizer", QUANTIZERS, ids=lambda q: q.slug)
TOKENS = torch.arange(24).view(2, 12)


def llama() -> nn.Module:
    model = build_model(Architecture(1, 2, 16, family="llama"), 30, 32, seed=0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    return model


def rescaled(model: Any, factor: float) -> nn.Module:
    """The same function: what the gated half of an MLP loses, the matrix after it gains."""
    with torch.no_grad():
        mlp = model.layers[0].mlp
        mlp.inner.weight[len(mlp.inner.weight) // 2 :] *= factor
        mlp.outer.weight /= factor
    return model.eval()


def quantized(model: nn.Module, quantizer: Quantizer, warn: Any = print) -> dict[str, Tensor]:
    """The matrices of a model as the method stores them, after the checks of every method."""
    weights, outside = store.saved_weights(model)
    if quantizer.sees_data:
        for name in variants.quantizable_names(weights, outside):
            grid.check_scales(weights[name], quantizer)
        gptq.quantize_sites(model, gptq.find_sites(model, set(weights)), [TOKENS], quantizer, warn)
        return store.saved_weights(model)[0]
    return {**weights, **variants.quantize(weights, outside, quantizer, None, warn, warn)[0]}


def answers(matrices: dict[str, Tensor], tmp_path: Path) -> Tensor:
    architecture = Architecture(1, 2, 16, family="llama")
    with torch.no_grad():
        return logits(store.load_model(tmp_path, architecture, 30, 32, matrices), TOKENS)


@EVERY
def test_rescaled_against_each_other_two_matrices_keep_their_bits(
    tmp_path: Path, quantizer: Quantizer
) -> None:
    full = answers(store.saved_weights(llama())[0], tmp_path)
    plain = answers(quantized(llama(), quantizer), tmp_path)
    error = float((plain - full).norm())
    assert error > 0
    for factor in (0.5 if quantizer.method == "hqq" else 2.0**-4, 2.0**4):
        found = answers(quantized(rescaled(llama(), factor), quantizer), tmp_path)
        if quantizer.method in ("hqq", "gptq"):  # theirs is a search, whose steps are no powers of two
            assert float((found - full).norm()) < 1.5 * error
        else:
            torch.testing.assert_close(found, plain, rtol=1e-4, atol=1e-5 + 0.1 * error)


@EVERY
@pytest.mark.parametrize("factor", [2.0**-20, 2.0**-26, 2.0**-40, 2.0**26])
def test_where_they_would_lose_them_the_variant_is_refused(quantizer: Quantizer, factor: float) -> None:
    with pytest.raises(UserError, match=r"float16 cannot store|more than float16 can store"):
        quantized(rescaled(llama(), factor), quantizer)


@EVERY
def test_rows_that_hardly_matter_are_said_to_be_stored_coarsely(quantizer: Quantizer) -> None:
    weight = torch.randn(8, 16, generator=torch.Generator().manual_seed(0))
    assert grid.check_scales(weight, quantizer) is None
    weight[3] *= 1e-9
    told = grid.check_scales(weight, quantizer)
    assert told
    assert "stored coarsely" in told
    weight[3] = 0  # a row of zeros needs no scale
    assert grid.check_scales(weight, quantizer) is None


def test_the_matrix_is_named_and_the_user_told(tmp_path: Path) -> None:
    quantizer, model = Quantizer(8), llama()
    weights, outside = store.saved_weights(model)
    name = "model.layers.0.mlp.up_proj.weight"
    heard: list[str] = []
    coarse = {**weights, name: weights[name].clone()}
    coarse[name][2] *= 1e-9
    variants.write_variants(
        tmp_path / "v.safetensors", coarse, outside, [quantizer], None, print, None, heard.append
    )
    assert [line.partition(" 1 of")[0] for line in heard] == [f"int8-rtn: {name}:"]
    with pytest.raises(UserError, match=rf"int8-rtn: {name}: \d+ of its \d+ groups need scales as small as"):
        variants.quantize({**weights, name: 1e-9 * weights[name]}, outside, quantizer)


def test_hqq_refuses_weights_that_are_many_steps_from_zero() -> None:
    weight = 5 + 1e-3 * torch.randn(4, 16, generator=torch.Generator().manual_seed(0))
    with pytest.raises(UserError, match="or lie as far as"):
        grid.check_scales(weight, Quantizer(8, "hqq"))
    assert grid.check_scales(torch.full((4, 16), 5.0), Quantizer(8, "hqq")) is None


def test_gptq_says_what_it_rounds_to_nearest() -> None:
    weight = torch.randn(3, 8, 6, generator=torch.Generator().manual_seed(0))
    inputs = torch.randn(40, 6, generator=torch.Generator().manual_seed(1))
    good = inputs.t() @ inputs
    heard: list[str] = []
    gptq.quantize_stack(weight, torch.stack([good, good, good]), Quantizer(4, "gptq"), heard.append)
    assert not heard
    bad = torch.stack([good, torch.zeros(6, 6), -good])
    found = gptq.quantize_stack(weight, bad, Quantizer(4, "gptq"), heard.append)
    assert heard == [
        "1 of its 3 experts met no calibration token that is not zero",
        "the Hessian of 1 of its 3 experts cannot be inverted",
    ]
    assert float((found - weight).norm() / weight.norm()) < 0.2  # and none of them becomes zero


def test_gptq_names_experts_that_no_token_reaches() -> None:
    spec = Architecture(1, 2, 16, family="gpt2-moe", experts=Experts(number=8))
    model: Any = build_model(spec, 30, 32, seed=0)
    with torch.no_grad():
        model.layers[0].mlp.router.weight.zero_()  # so that ties decide
    heard: list[str] = []
    names = set(store.saved_weights(model)[0])
    few = [torch.zeros(1, 2, dtype=torch.long)]
    gptq.quantize_sites(model.eval(), gptq.find_sites(model, names), few, Quantizer(4, "gptq"), heard.append)
    assert any(
        line.startswith("0.mlp.inner is rounded to nearest, at least in part: 7 of its 8") for line in heard
    )


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(UserError, match=r"int4-gptq: a: what is stored would hold NaN or infinity"):
        variants.refuse_other_numbers({"a": torch.full((2, 2), torch.nan)}, Quantizer(4, "gptq"))
