"""The decoder: causal, drawn by the seed alone, and as many parameters as the paper's formula says."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from knowledge_capacity.files import UserError
from knowledge_capacity.models import interchange, store
from knowledge_capacity.models.build import build_model, n_parameters
from knowledge_capacity.models.decoder import Decoder
from knowledge_capacity.specs import FAMILIES, Architecture

SMALL = Architecture(layers=2, heads=2, width=16)
VOCABULARY, WINDOW = 37, 24


def fresh(architecture: Architecture, seed: int = 0) -> Decoder:
    model = build_model(architecture, VOCABULARY, WINDOW, seed)
    assert isinstance(model, Decoder)
    return model


def shaken(architecture: Architecture, seed: int = 0) -> Decoder:
    """A decoder in which biases and norms matter as much as matrices, unlike in a fresh one."""
    model = fresh(architecture, seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.15)
    return model


def some_tokens(batch: int = 3, window: int = WINDOW) -> torch.Tensor:
    return torch.randint(VOCABULARY, (batch, window), generator=torch.Generator().manual_seed(1))


def test_the_parts_are_those_of_the_paper() -> None:
    """As in the paper; transformers is told the same numbers, so comparing would not notice others."""
    config = interchange.transformers_config(Architecture(layers=2, heads=2, width=128), VOCABULARY, 512, 0)
    assert config["rope_parameters"]["rope_theta"] == 10_000
    assert config["rope_parameters"]["partial_rotary_factor"] == 0.25
    assert config["intermediate_size"] == 4 * 128
    assert config["hidden_act"] == "gelu"
    assert config["tie_word_embeddings"]
    assert config["attention_bias"]
    assert config["initializer_range"] == 0.02
    assert config["max_position_embeddings"] == 512


@given(
    layers=st.integers(1, 4), heads=st.integers(1, 4), half=st.integers(1, 9), vocabulary=st.integers(1, 60)
)
def test_parameters_are_as_many_as_the_formula_says(
    layers: int, heads: int, half: int, vocabulary: int
) -> None:
    architecture = Architecture(layers=layers, heads=heads, width=2 * half * heads)
    model = build_model(architecture, vocabulary, WINDOW, 0)
    found = sum(parameter.numel() for parameter in model.parameters())
    d = architecture.width
    assert found == n_parameters(model, vocabulary)
    assert found == 12 * layers * d**2 + 13 * layers * d + 2 * d + vocabulary * d


@pytest.mark.parametrize(
    ("layers", "heads", "millions"), [(12, 12, 87.57), (2, 2, 0.816)], ids=["GPT2-12-12", "GPT2-2-2"]
)
def test_the_papers_models_have_the_papers_sizes(layers: int, heads: int, millions: float) -> None:
    architecture = Architecture(layers=layers, heads=heads, width=64 * heads)
    with torch.device("meta"):
        count = n_parameters(Decoder(architecture, 3275, WINDOW), 3275)
    assert count / 1e6 == pytest.approx(millions, rel=5e-4)


@given(head=st.integers(1, 512))
def test_transformers_reads_the_rotary_dimensions_that_we_use(head: int) -> None:
    architecture = Architecture(layers=1, heads=3, width=3 * 2 * head)
    rotary = architecture.rotary
    assert rotary % 2 == 0
    assert 2 <= rotary <= max(2, head / 2)
    config = interchange.transformers_config(architecture, VOCABULARY, WINDOW, 0)
    assert int(2 * head * config["rope_parameters"]["partial_rotary_factor"]) == rotary
    assert Architecture(layers=1, heads=2, width=128).rotary == 16
    assert Architecture(layers=1, heads=2, width=128, family="llama").rotary == 64


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("position", [1, 11, WINDOW - 1])
def test_a_later_token_leaves_earlier_logits_as_they_are(family: Any, position: int) -> None:
    architecture = replace(SMALL, family=family)
    if experts := architecture.parts.experts:  # a full expert turns away tokens whatever their position
        architecture = replace(architecture, experts=replace(experts, capacity_test=experts.number))
    model = shaken(architecture).eval()
    tokens = some_tokens()
    changed = tokens.clone()
    changed[:, position] = (changed[:, position] + 1) % VOCABULARY
    with torch.no_grad():
        before, after = model(tokens), model(changed)
    torch.testing.assert_close(before[:, :position], after[:, :position], atol=1e-6, rtol=0)
    assert (before[:, position:] != after[:, position:]).any(dim=-1).all()


def test_sequences_of_a_batch_do_not_see_each_other() -> None:
    model, tokens = shaken(SMALL), some_tokens()
    with torch.no_grad():
        torch.testing.assert_close(model(tokens)[1:2], model(tokens[1:2]), atol=1e-6, rtol=0)


def test_the_order_of_earlier_tokens_matters() -> None:
    model, tokens = shaken(Architecture(layers=1, heads=1, width=16)), some_tokens()
    exchanged = tokens.clone()
    tokens[:, 0], tokens[:, 1] = 1, 2
    exchanged[:, 0], exchanged[:, 1] = 2, 1
    with torch.no_grad():
        assert not torch.allclose(model(tokens)[:, -1], model(exchanged)[:, -1], atol=1e-4)


def test_windows_longer_than_those_of_training_work() -> None:
    short, long = shaken(SMALL), Decoder(SMALL, VOCABULARY, 4 * WINDOW)
    long.load_state_dict(short.state_dict())
    tokens = some_tokens(window=4 * WINDOW)
    with torch.no_grad():
        assert torch.equal(short(tokens), long(tokens))
        assert torch.equal(short(tokens[:, :WINDOW]), long(tokens[:, :WINDOW]))


def test_weights_depend_on_the_seed_alone() -> None:
    one, same, other = (build_model(SMALL, VOCABULARY, WINDOW, seed) for seed in (5, 5, 6))
    torch.randn(3)  # whatever else draws from torch's own generator
    for (name, a), b, c in zip(one.named_parameters(), same.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b), name
        assert torch.equal(a, c) == (a.dim() == 1), name


def test_fresh_weights_are_drawn_as_documented() -> None:
    model = build_model(Architecture(layers=2, heads=2, width=128), 300, WINDOW, 0)
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1:
            assert float(parameter.detach().std()) == pytest.approx(0.02, rel=0.03), name
            assert abs(float(parameter.detach().mean())) < 5 * 0.02 / parameter.numel() ** 0.5, name
        else:
            assert (parameter == (1.0 if name.endswith("norm.weight") else 0.0)).all(), name
    norms = [name for name, _ in model.named_parameters() if name.endswith("norm.weight")]
    assert len(norms) == 2 * 2 + 1


@pytest.mark.parametrize(
    "other", [Architecture(layers=3, heads=2, width=16), Architecture(layers=2, heads=2, width=32)]
)
def test_weights_of_another_shape_are_refused(other: Architecture) -> None:
    weights, _ = store.saved_weights(shaken(SMALL))
    with pytest.raises(UserError, match=f"model: these are not the weights of a {other.slug} for 37 tokens"):
        store.load_model(Path("model"), other, VOCABULARY, WINDOW, weights)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("other", FAMILIES)
def test_weights_of_another_family_are_refused(family: Any, other: Any) -> None:
    ours = Architecture(layers=1, heads=2, width=16, family=family)
    theirs = Architecture(layers=1, heads=2, width=16, family=other)
    alike = {"llama-gelu": "llama"}  # the activation has no weights
    weights, _ = store.saved_weights(shaken(ours))
    if alike.get(family, family) == alike.get(other, other):
        store.load_model(Path("model"), theirs, VOCABULARY, WINDOW, weights)
    else:
        with pytest.raises(UserError, match="these are not the weights of a"):
            store.load_model(Path("model"), theirs, VOCABULARY, WINDOW, weights)


def test_weights_of_another_vocabulary_are_refused() -> None:
    weights, _ = store.saved_weights(shaken(SMALL))
    with pytest.raises(UserError, match="it has 37 tokens, not 38"):
        store.load_model(Path("model"), SMALL, 38, WINDOW, weights)


def test_weights_without_an_embedding_are_refused() -> None:
    weights, _ = store.saved_weights(shaken(SMALL))
    del weights["gpt_neox.embed_in.weight"]
    with pytest.raises(UserError, match=r"embed_in\.weight is missing"):
        store.load_model(Path("model"), SMALL, VOCABULARY, WINDOW, weights)


def test_the_configuration_is_plain_json() -> None:
    for family in FAMILIES:
        config = interchange.transformers_config(Architecture(2, 2, 16, family=family), VOCABULARY, WINDOW, 3)
        assert json.loads(json.dumps(config)) == config
        assert config["eos_token_id"] == 3
