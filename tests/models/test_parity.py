"""Every family against transformers: the saved weights load there, with the same logits and gradients."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from knowledge_capacity.models import interchange, store
from knowledge_capacity.models.build import build_model, n_parameters
from knowledge_capacity.models.decoder import Decoder
from knowledge_capacity.models.loss import loss
from knowledge_capacity.specs import FAMILIES, Architecture, BioS, Experts, Recipe, Run
from torch import Tensor
from transformers import AutoModelForCausalLM

VOCABULARY, WINDOW, END = 37, 24, 3
ALL = Experts(number=4, top_k=2, capacity=2.0, capacity_test=2.0, balance=0.0)  # none has to drop a token
TESTED = {family: Architecture(layers=2, heads=4, width=32, family=family) for family in FAMILIES} | {
    "the paper's heads": Architecture(layers=2, heads=2, width=128),
    "one tiny head": Architecture(layers=3, heads=1, width=8),
    "two rotary dimensions of two": Architecture(layers=1, heads=4, width=8),
    "a quarter that is odd": Architecture(layers=2, heads=3, width=3 * 28),
    "gpt2 untied": Architecture(layers=1, heads=2, width=16, tied=False),
    "gpt2 with silu": Architecture(layers=1, heads=2, width=16, activation="silu"),
    "llama of an odd width": Architecture(layers=2, heads=1, width=10, family="llama"),
    "llama tied with gelu": Architecture(2, 2, 16, family="llama", tied=True, activation="gelu"),
    "llama without MLP": Architecture(layers=2, heads=2, width=16, family="llama", mlp="none"),
    "mistral of odd heads": Architecture(layers=1, heads=3, width=24, family="mistral"),
    "mistral of six heads": Architecture(layers=1, heads=6, width=24, family="mistral"),
    "mixtral": Architecture(layers=2, heads=4, width=16, family="mistral", experts=ALL),
    "llama with experts": Architecture(1, 2, 16, family="llama", mlp_width=44, experts=replace(ALL, top_k=3)),
}
KNOWN = {name: a for name, a in TESTED.items() if interchange.model_type(a) != interchange.OWN}


def run_of(architecture: Architecture) -> Run:
    return Run(BioS(n_people=10), architecture, Recipe(exposures=1, lr=1e-3, window=WINDOW), seed=0)


def shaken(architecture: Architecture, seed: int = 0) -> Decoder:
    """A decoder in which biases and norms matter as much as matrices, unlike in a fresh one."""
    model = build_model(architecture, VOCABULARY, WINDOW, seed)
    assert isinstance(model, Decoder)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.15)
    return model


def some_tokens(batch: int = 3) -> Tensor:
    return torch.randint(VOCABULARY, (batch, WINDOW), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", KNOWN)
def test_logits_and_gradients_are_those_of_transformers(tmp_path: Path, name: str) -> None:
    ours = shaken(KNOWN[name])
    store.write_model(tmp_path, ours, run_of(KNOWN[name]), END)
    found: Any = AutoModelForCausalLM.from_pretrained(tmp_path, output_loading_info=True)
    theirs, loaded = found
    assert not any(loaded[problem] for problem in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert theirs.config.eos_token_id == END

    tokens = some_tokens()
    expected = theirs.train()(tokens).logits
    assert float(expected.detach().std()) > 0.1
    torch.testing.assert_close(ours(tokens), expected, atol=2e-5, rtol=0)

    # the gradients, weight by weight, under their names
    F.cross_entropy(expected[:, :-1].flatten(0, 1), tokens[:, 1:].flatten(), reduction="sum").backward()
    ours.zero_grad()
    loss(ours, tokens[:, :-1], tokens[:, 1:]).nats.backward()
    gradients = {n: p.grad for n, p in ours.named_parameters() if p.grad is not None}
    assert len(gradients) == len(list(ours.parameters()))
    reference = {n: p.grad for n, p in theirs.named_parameters() if p.grad is not None}
    compared = 0
    for theirs_name, gradient in interchange.export_weights(KNOWN[name], gradients).items():
        if theirs_name in reference:
            torch.testing.assert_close(
                gradient, reference[theirs_name], atol=3e-4, rtol=3e-4, msg=theirs_name
            )
            compared += 1
    stacked = KNOWN[name].parts.experts is not None  # transformers holds all experts in one tensor
    assert compared >= len(gradients) - (2 * KNOWN[name].layers if stacked else 0)
    if stacked:
        for i, layer in enumerate(theirs.model.layers):
            experts = layer.mlp.experts
            for ours_one, theirs_one in (("inner", experts.gate_up_proj), ("outer", experts.down_proj)):
                assert theirs_one.grad is not None
                torch.testing.assert_close(
                    gradients[f"layers.{i}.mlp.{ours_one}"], theirs_one.grad, atol=3e-4, rtol=3e-4
                )


@pytest.mark.parametrize("name", TESTED)
def test_a_saved_run_generates_in_transformers_what_it_would_here(tmp_path: Path, name: str) -> None:
    if name not in KNOWN:
        from knowledge_capacity.models import auto  # noqa: F401 (it registers the class)
    ours = shaken(TESTED[name]).eval()
    store.write_model(tmp_path, ours, run_of(TESTED[name]), END)
    theirs: Any = AutoModelForCausalLM.from_pretrained(tmp_path)
    found = theirs.generate(some_tokens(1)[:, :3], max_new_tokens=12, do_sample=False, eos_token_id=None)
    expected = some_tokens(1)[:, :3]
    with torch.no_grad():
        for _ in range(12):
            expected = torch.cat([expected, ours(expected)[:, -1:].argmax(dim=-1)], dim=1)
    assert torch.equal(found, expected)


@pytest.mark.parametrize("name", TESTED)
def test_saved_weights_read_back(tmp_path: Path, name: str) -> None:
    ours = shaken(TESTED[name])
    expected = {n: p.detach().clone() for n, p in ours.named_parameters()}
    with torch.no_grad():
        logits = ours.eval()(some_tokens())
    store.write_model(tmp_path, ours, run_of(TESTED[name]), END)
    weights = store.read_weights(tmp_path / "model.safetensors")
    again = store.load_model(tmp_path, TESTED[name], VOCABULARY, WINDOW, weights)
    for n, p in again.named_parameters():
        assert torch.equal(p, expected[n]), n
    with torch.no_grad():
        assert torch.equal(again(some_tokens()), logits)
    assert not again.training


@pytest.mark.parametrize("name", KNOWN)
def test_transformers_counts_the_same_parameters(tmp_path: Path, name: str) -> None:
    model = shaken(KNOWN[name])
    store.write_model(tmp_path, model, run_of(KNOWN[name]), END)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path).num_parameters()
    idle = sum(t.numel() for t in interchange.constant_weights(KNOWN[name]).values())
    assert theirs - idle == n_parameters(model, VOCABULARY)


def closed_form(a: Architecture, used: int) -> int:
    """P by hand: SCIENCE's formula for GPT-2, and its parts put together anew for the others."""
    layers, d, inner = a.layers, a.width, a.inner_width
    keys = a.groups * a.head_width
    attention, norms = 2 * d * d + 2 * d * keys, (2 if a.family.startswith("gpt2") else 1) * d
    mlp = {"standard": 2, "gated": 3, "none": 0}[a.parts.mlp] * d * inner
    if a.parts.bias:
        attention += 2 * d + 2 * keys
        mlp += inner + d if inner else 0
    if a.parts.experts:
        mlp = a.parts.experts.number * (mlp + d)
    layer = attention + mlp + norms * (2 if inner else 1)
    return layers * layer + norms + used * d * (1 if a.parts.tied else 2)


@pytest.mark.parametrize("name", TESTED)
@pytest.mark.parametrize("used", [VOCABULARY, 11])
def test_parameters_are_as_many_as_the_closed_form_says(name: str, used: int) -> None:
    model = build_model(TESTED[name], VOCABULARY, WINDOW, 0)
    assert n_parameters(model, used) == closed_form(TESTED[name], used)


@pytest.mark.parametrize(("family", "mlp"), [("llama", 8.0), ("mistral", 10.5), ("gpt2", 8.0)])
def test_mlps_have_the_papers_sizes(family: Any, mlp: float) -> None:
    architecture = Architecture(layers=1, heads=12, width=768, family=family)
    matrices = 3 if family != "gpt2" else 2
    assert matrices * architecture.inner_width * 768 == pytest.approx(mlp * 768**2, rel=1e-3)


@pytest.mark.parametrize(("heads", "groups"), [(1, 1), (2, 1), (3, 3), (4, 1), (6, 3), (8, 2), (12, 3)])
def test_mistral_shares_keys_by_the_papers_rule(heads: int, groups: int) -> None:
    assert Architecture(layers=1, heads=heads, width=8 * heads, family="mistral").groups == groups


def test_an_eleventh_of_a_mixture_is_active() -> None:
    a = Architecture(layers=1, heads=4, width=256, family="gpt2-moe")
    assert a.parts.experts
    active = replace(a, experts=None, family="gpt2-quarter-mlp")
    shared = build_model(active, 1, WINDOW, 0)
    d = 256
    share = (n_parameters(shared, 0) - 2 * d) / (n_parameters(build_model(a, 1, WINDOW, 0), 0) - 2 * d)
    assert share == pytest.approx(0.088, rel=0.01)
