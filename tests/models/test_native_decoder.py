"""Gradients and updates in C++ beside those of autograd and torch's AdamW, for every family that it covers."""

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from knowledge_capacity.models import native
from knowledge_capacity.models.build import build_model
from knowledge_capacity.models.decoder import Decoder
from knowledge_capacity.models.loss import loss
from knowledge_capacity.models.native_decoder import NativeDecoder, is_supported_decoder
from knowledge_capacity.specs import FAMILIES, Architecture, Experts
from knowledge_capacity.specs.architectures import Family
from torch import Tensor

pytestmark = pytest.mark.skipif(not native.is_available(), reason=native.unavailable_reason())

COVERED: list[Family] = [name for name, parts in FAMILIES.items() if not parts.experts]
# widths and windows that do not fill vectors and tiles, several heads, and heads that share keys and values
SHAPES = {
    "one head": (Architecture(2, 1, 16), 64, 4, 148),
    "heads of 8": (Architecture(1, 3, 24), 50, 3, 77),
    "shared keys": (Architecture(2, 4, 40), 21, 2, 33),
    "long window": (Architecture(1, 2, 20), 130, 2, 300),
    "many tokens": (Architecture(1, 1, 8), 33, 9, 5000),
}


def decoder(architecture: Architecture, vocabulary: int, window: int) -> Decoder:
    """A decoder whose biases and norms are random too, so that none of their gradients is that of a symmetry."""
    model = build_model(architecture, vocabulary, window, 0)
    assert isinstance(model, Decoder)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.2)
    return model


def batches(steps: int, batch: int, window: int, vocabulary: int) -> tuple[Tensor, Tensor]:
    """Inputs and targets (steps, batch, window), some of which are ignored."""
    generator = torch.Generator().manual_seed(2)
    inputs, targets = torch.randint(vocabulary, (2, steps, batch, window), generator=generator)
    targets[:, 0, :3] = -100
    return inputs, targets


def mean_loss(model: Decoder, inputs: Tensor, targets: Tensor) -> Tensor:
    return loss(model, inputs, targets).nats / (targets != -100).sum()


@pytest.mark.parametrize("family", COVERED)
@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_are_those_of_autograd(family: Family, shape: str) -> None:
    architecture, window, batch, vocabulary = SHAPES[shape]
    model = decoder(replace(architecture, family=family), vocabulary, window)
    inputs, targets = (x[0] for x in batches(1, batch, window, vocabulary))
    expected = mean_loss(model, inputs, targets)
    expected.backward()
    ours = NativeDecoder(model)
    found = ours.differentiate(inputs, targets)
    torch.testing.assert_close(found.float()[0], expected.detach(), rtol=1e-6, atol=0)
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None
        error = (ours.gradients[name] - parameter.grad).abs().max() / parameter.grad.abs().max()
        assert error < 2e-5, name  # both round; a wrong term is off by far more


@pytest.mark.parametrize(
    "parts", [{"mlp": "gated"}, {"mlp_width": 7}, {"tied": False}, {"activation": "silu"}]
)
def test_gradients_of_replaced_parts_are_those_of_autograd(parts: dict[str, Any]) -> None:
    model = decoder(Architecture(2, 2, 12, **parts), 40, 30)
    inputs, targets = (x[0] for x in batches(1, 2, 30, 40))
    mean_loss(model, inputs, targets).backward()
    ours = NativeDecoder(model)
    ours.differentiate(inputs, targets)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(ours.gradients[name], parameter.grad, rtol=2e-5, atol=1e-7)


def test_updates_are_those_of_adamw() -> None:
    model = decoder(Architecture(2, 1, 16), 60, 32)
    theirs = copy.deepcopy(model)
    groups = [
        {"params": [p for p in theirs.parameters() if p.dim() > 1], "weight_decay": 0.1},
        {"params": [p for p in theirs.parameters() if p.dim() == 1], "weight_decay": 0.0},
    ]
    adamw = torch.optim.AdamW(groups, betas=(0.9, 0.98), eps=1e-6)
    inputs, targets = batches(6, 4, 32, 60)
    rates = [1e-3 * (i + 1) for i in range(6)]
    expected = []
    for i, rate in enumerate(rates):
        for group in adamw.param_groups:
            group["lr"] = rate
        value = mean_loss(theirs, inputs[i], targets[i])
        adamw.zero_grad()
        value.backward()
        adamw.step()
        expected.append(value.item())
    moments = [{name: torch.zeros_like(p) for name, p in model.named_parameters()} for _ in range(2)]
    ours = NativeDecoder(model, *moments)
    rule: dict[str, Any] = {"betas": (0.9, 0.98), "epsilon": 1e-6, "weight_decay": 0.1}
    losses = torch.cat(
        [
            ours.train(inputs[:2], targets[:2], rates[:2], count=0, **rule),
            ours.train(inputs[2:], targets[2:], rates[2:], count=2, **rule),
        ]
    )
    assert losses.tolist() == pytest.approx(expected, rel=1e-5)
    others = dict(theirs.named_parameters())
    for name, parameter in model.named_parameters():
        # attention does not depend on most of the keys' bias: its gradient is rounding, which AdamW makes large
        own = torch.ones(len(parameter), dtype=torch.bool)
        own[16:32] = not name.endswith("joint.bias")
        torch.testing.assert_close(parameter[own], others[name][own], rtol=1e-4, atol=1e-5)
        state = adamw.state[others[name]]
        torch.testing.assert_close(moments[0][name], state["exp_avg"], rtol=1e-3, atol=1e-6)
        torch.testing.assert_close(moments[1][name], state["exp_avg_sq"], rtol=1e-3, atol=1e-9)


@pytest.mark.parametrize("batch", [1, 4, 16])
def test_gradients_have_the_same_bits_whatever_the_number_of_threads(batch: int) -> None:
    model = decoder(Architecture(2, 2, 16), 90, 64)
    inputs, targets = (x[0] for x in batches(1, batch, 64, 90))
    found = []
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            ours = NativeDecoder(model)
            found.append((ours.differentiate(inputs, targets), ours.gradients))
    finally:
        torch.set_num_threads(before)
    for value, gradients in found[1:]:
        assert torch.equal(value, found[0][0])
        for name, gradient in gradients.items():
            assert torch.equal(gradient, found[0][1][name]), name


def test_a_nan_among_the_weights_reaches_the_loss() -> None:
    model = decoder(Architecture(1, 1, 16), 20, 16)
    with torch.no_grad():
        dict(model.named_parameters())["layers.0.attention.joint.weight"][3, 3] = torch.nan
    inputs, targets = (x[0] for x in batches(1, 2, 16, 20))
    assert NativeDecoder(model).differentiate(inputs, targets).isnan().all()


@pytest.mark.parametrize(("which", "value"), [(0, 20), (0, -1), (1, 20), (1, -2)])
def test_what_is_no_token_is_refused_and_changes_nothing(which: int, value: int) -> None:
    model = decoder(Architecture(1, 1, 8), 20, 16)
    before = copy.deepcopy(model.state_dict())
    both = batches(3, 2, 16, 20)
    both[which][2, 1, 5] = value
    moments = [{name: torch.zeros_like(p) for name, p in model.named_parameters()} for _ in range(2)]
    with pytest.raises(IndexError, match="1 inputs or targets are not at least 0 and below 20"):
        NativeDecoder(model, *moments).train(*both, [0.1] * 3, 0, (0.9, 0.98), 1e-6, 0.0)
    for name, value_before in before.items():
        assert torch.equal(model.state_dict()[name], value_before), name


def test_experts_other_precisions_and_other_models_are_not_covered() -> None:
    assert is_supported_decoder(decoder(Architecture(1, 1, 8), 20, 16))
    assert not is_supported_decoder(
        decoder(Architecture(1, 1, 8, family="gpt2-moe", experts=Experts(4)), 20, 16)
    )
    assert not is_supported_decoder(decoder(Architecture(1, 1, 8), 20, 16).double())
    assert not is_supported_decoder(torch.nn.Linear(2, 2))
