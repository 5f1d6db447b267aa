"""Mixtures of experts: who takes which token, what happens to the rest, and what is said about it."""

from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from knowledge_capacity.models.experts import Mixture
from knowledge_capacity.specs import Architecture, Experts
from torch import Tensor

WIDTH = 8


def mixture(seed: int = 0, family: Any = "gpt2-moe", **spec: Any) -> Mixture:
    experts = Experts(**{"number": 4, **spec})
    module = Mixture(Architecture(layers=1, heads=1, width=WIDTH, family=family, experts=experts))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(0, 0.5, generator=generator)
    return module


def tokens(n: int, seed: int = 0) -> Tensor:
    return torch.randn(1, n, WIDTH, generator=torch.Generator().manual_seed(seed))


def by_hand(module: Mixture, x: Tensor) -> tuple[Tensor, float, float]:
    """The same one choice at a time: output, fraction dropped, load of the busiest over the mean."""
    spec, n = module.spec, x.shape[1]
    chances = module.router(x[0]).softmax(dim=-1)
    taken, asked = [0] * spec.number, [0] * spec.number
    out, dropped = torch.zeros(n, WIDTH), 0
    ranked = chances.sort(dim=-1, descending=True)
    for choice in range(spec.top_k):
        for token in range(n):
            e = int(ranked.indices[token, choice])
            asked[e] += 1
            if taken[e] == module.capacity(n):
                dropped += 1
                continue
            taken[e] += 1
            inner = module.inner[e] @ x[0, token]
            if module.inner_bias is not None:
                inner = inner + module.inner_bias[e]
            if module.gated:
                gate, up = inner.chunk(2)
                inner = F.silu(gate) * up
            else:
                inner = F.gelu(inner)
            outer = module.outer[e] @ inner
            if module.outer_bias is not None:
                outer = outer + module.outer_bias[e]
            chosen = ranked.values[token, : spec.top_k]
            weight = ranked.values[token, choice] / (chosen.sum() if spec.top_k > 1 else 1)
            out[token] += weight * outer
    return out, dropped / (n * spec.top_k), max(asked) * spec.number / (n * spec.top_k)


@pytest.mark.parametrize("family", ["gpt2-moe", "llama"])
@given(
    n=st.integers(1, 40),
    number=st.integers(2, 6),
    top_k=st.integers(1, 2),
    capacity=st.floats(0.1, 4),
    seed=st.integers(0, 99),
)
def test_it_does_what_one_choice_at_a_time_would(
    family: str, n: int, number: int, top_k: int, capacity: float, seed: int
) -> None:
    module = mixture(seed, family, number=number, top_k=top_k, capacity=capacity)
    x = tokens(n, seed)
    with torch.no_grad():
        found, routing = module(x)
        expected, dropped, load = by_hand(module, x)
    torch.testing.assert_close(found[0], expected, atol=1e-5, rtol=1e-5)
    assert float(routing[1]) == pytest.approx(dropped, abs=1e-6)
    assert float(routing[2]) == pytest.approx(load, rel=1e-5)


def test_training_and_test_have_their_own_capacity() -> None:
    module = mixture(capacity=1.0, capacity_test=4.0)
    assert module.train().capacity(40) == 10
    assert module.eval().capacity(40) == 40
    assert module(tokens(40))[1][1] == 0  # there is room for all


def test_the_papers_mixture_has_its_capacities() -> None:
    experts = Architecture(layers=1, heads=1, width=64, family="gpt2-moe").parts.experts
    assert experts == Experts(number=32, top_k=1, capacity=2.0, capacity_test=8.0)
    module = Mixture(Architecture(layers=1, heads=1, width=64, family="gpt2-moe"))
    assert module.train().capacity(12288) == 768
    assert module.eval().capacity(12288) == 3072
    assert module.inner.shape == module.outer.shape == (32, 64, 64)


def test_router_losses_are_those_of_their_papers() -> None:
    x = tokens(24)
    module = mixture(balance=0.0, router_z=0.0)
    assert module(x)[1][0] == 0
    logits = module.router(x[0])
    chances = logits.softmax(dim=-1)
    first = F.one_hot(chances.argmax(dim=-1), 4).float().mean(dim=0)
    balance = 4 * (first * chances.mean(dim=0)).sum()
    z = logits.exp().sum(dim=-1).log().square().mean()
    module.spec = replace(module.spec, balance=0.01, router_z=0.001)
    torch.testing.assert_close(module(x)[1][0], 0.01 * balance + 0.001 * z)
    module(x)[1][0].backward()
    assert module.router.weight.grad is not None
    assert float(module.router.weight.grad.abs().max()) > 0


def test_dropped_tokens_add_nothing_and_every_weight_learns() -> None:
    module = mixture(capacity=0.5)
    x = tokens(32).requires_grad_()
    found, routing = module(x)
    dropped = float(routing[1].detach())
    assert 0 < dropped < 1
    nothing = (found[0] == 0).all(dim=-1)
    assert int(nothing.sum()) == round(dropped * 32)
    found.square().sum().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert float(parameter.grad.abs().max()) > 0, name
