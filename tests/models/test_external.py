"""Models from elsewhere: made, saved, loaded, counted; and plain words about those that cannot be."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from knowledge_capacity.files import UserError
from knowledge_capacity.models import store
from knowledge_capacity.models.build import build_model, n_parameters
from knowledge_capacity.models.loss import logits, loss
from knowledge_capacity.specs import (
    AnyArchitecture,
    BioS,
    Checkpoint,
    PythonModel,
    Recipe,
    Run,
    TransformersModel,
)
from transformers import AutoModelForCausalLM

VOCABULARY, WINDOW = 29, 16
TIED = """
from torch import nn

class Model(nn.Module):
    def __init__(self, vocabulary, width):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.mix = nn.Linear(width, width)
        self.head = nn.Linear(width, vocabulary)
        self.head.weight = self.embedding.weight

    def forward(self, tokens):
        return self.head(self.mix(self.embedding(tokens)))

def build(vocabulary, window, width=8):
    return Model(vocabulary, width)

def refuse(vocabulary, window):
    raise RuntimeError("not today")

NUMBER = 3
"""
QWEN = TransformersModel(
    "Qwen3Config",
    {
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 8,
        "tie_word_embeddings": False,
    },
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(TIED)
    return path


def run_of(architecture: AnyArchitecture) -> Run:
    return Run(BioS(n_people=10), architecture, Recipe(exposures=1, lr=1e-3, window=WINDOW), seed=0)


def assert_round_trip(folder: Path, architecture: AnyArchitecture) -> None:
    """Saved and loaded, the model gives the same logits; the seed alone decides on its weights."""
    model, same, other = (build_model(architecture, VOCABULARY, WINDOW, seed).eval() for seed in (0, 0, 1))
    inputs = torch.arange(24).view(2, 12) % VOCABULARY
    with torch.no_grad():
        expected = logits(model, inputs)
        assert expected.shape == (2, 12, VOCABULARY)
        assert torch.equal(logits(same, inputs), expected)
        assert not torch.equal(logits(other, inputs), expected)
    store.write_model(folder, model, run_of(architecture), end_token=2)
    weights = store.read_weights(folder / "model.safetensors")
    again = store.load_model(folder, architecture, VOCABULARY, WINDOW, weights)
    with torch.no_grad():
        assert torch.equal(logits(again, inputs), expected)
    assert sum(t.numel() for t in weights.values()) == n_parameters(model, VOCABULARY)


def test_a_function_of_yours(tmp_path: Path, file: Path) -> None:
    architecture = PythonModel(f"{file}:build", {"width": 6})
    assert architecture.slug.startswith("mine-width6-")
    assert_round_trip(tmp_path / "run", architecture)
    model = build_model(architecture, VOCABULARY, WINDOW, 0)
    # the tied matrix once, with the rows of used tokens, and the head's bias likewise
    assert n_parameters(model, 11) == 11 * 6 + 11 + 6 * 6 + 6
    assert store.quantizable_weights(tmp_path / "run/model.safetensors")[1] == {
        "embedding.weight",
        "head.bias",
    }


@pytest.mark.parametrize("as_file", [False, True])
def test_a_configuration_of_transformers(tmp_path: Path, as_file: bool) -> None:
    architecture = QWEN
    if as_file:
        path = tmp_path / "given" / "config.json"
        path.parent.mkdir()
        path.write_text(json.dumps({"model_type": "qwen3", "vocab_size": 1000, **QWEN.fields}))
        architecture = TransformersModel(str(path), {"num_hidden_layers": 1})
    assert_round_trip(tmp_path / "run", architecture)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "run")  # and it is a checkpoint like any other
    assert theirs.config.eos_token_id == 2
    assert len(theirs.model.layers) == (1 if as_file else 2)
    # embedding and head count used rows each
    model = build_model(architecture, VOCABULARY, WINDOW, 0)
    assert n_parameters(model, VOCABULARY) - n_parameters(model, 9) == 2 * 16 * (VOCABULARY - 9)


def test_a_checkpoint_is_read_as_it_is(tmp_path: Path) -> None:
    model = build_model(QWEN, VOCABULARY, WINDOW, 0)
    store.write_model(tmp_path / "theirs", model, run_of(QWEN), end_token=2)
    checkpoint = Checkpoint(str(tmp_path / "theirs"))
    again = build_model(checkpoint, VOCABULARY, WINDOW, 7)
    inputs = torch.arange(12)[None]
    with torch.no_grad():
        assert torch.equal(logits(again.eval(), inputs), logits(model.eval(), inputs))


def test_the_loss_is_that_of_the_logits(file: Path) -> None:
    model = build_model(PythonModel(f"{file}:build"), VOCABULARY, WINDOW, 0)
    inputs = torch.arange(12).view(2, 6)
    targets = torch.tensor([[1, 2, 3, 4, 5, -100], [7, 8, 9, -100, -100, -100]])
    chances = model(inputs).log_softmax(dim=-1)
    expected = -sum(chances[i, j, targets[i, j]] for i, j in (targets != -100).nonzero().tolist())
    found = loss(model, inputs, targets)
    torch.testing.assert_close(found.nats, expected)
    assert found.extra is None


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (
            "nowhere.py:build",
            r"nowhere\.py:build: there is no file nowhere\.py\. Write path/to/file\.py:function\.",
        ),
        ("{}:absent", r"mine\.py has no function 'absent'"),
        ("{}:NUMBER", r"mine\.py has no function 'NUMBER'"),
        ("{}:refuse", r"mine\.py:refuse: it makes no model \(RuntimeError: not today\)"),
        ("{}:len", r"has no function 'len'"),
    ],
)
def test_a_function_that_makes_no_model(file: Path, function: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        build_model(PythonModel(function.format(file)), VOCABULARY, WINDOW, 0)


MASKED = """
from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn


@dataclass
class Options:
    width: int = 4


def build(vocabulary, window):
    embedding = nn.Embedding(vocabulary, Options().width)
    model = nn.Sequential(embedding, nn.Linear(4, 4), nn.Linear(4, vocabulary))
    model.register_buffer("mask", torch.full((window, window), float("-inf")).triu(1))
    return model
"""


def test_buffers_are_kept_and_are_no_parameters(tmp_path: Path) -> None:
    (tmp_path / "masked.py").write_text(MASKED)
    architecture = PythonModel(f"{tmp_path}/masked.py:build")
    model = build_model(architecture, VOCABULARY, WINDOW, 0)
    store.write_model(tmp_path / "run", model, run_of(architecture), end_token=2)
    path = tmp_path / "run/model.safetensors"
    weights = store.read_weights(path)  # infinity in a mask is no sign of a run that diverged
    assert torch.equal(weights["mask"], model.get_buffer("mask"))
    parameters, outside = store.quantizable_weights(path)
    assert set(parameters) == {name for name, _ in model.named_parameters()}
    assert outside == {"0.weight", "2.weight", "2.bias"}
    again = store.load_model(path, architecture, VOCABULARY, WINDOW, weights)
    assert torch.equal(again.get_buffer("mask"), model.get_buffer("mask"))


def test_a_file_may_import_one_beside_it(tmp_path: Path, file: Path) -> None:
    (tmp_path / "another.py").write_text("import mine\n\nbuild = mine.build\n")
    model = build_model(PythonModel(f"{tmp_path}/another.py:build", {"width": 4}), VOCABULARY, WINDOW, 0)
    assert n_parameters(model, VOCABULARY) == VOCABULARY * 5 + 4 * 5
    assert str(tmp_path) not in sys.path


def test_a_file_that_does_not_run(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("def build(:\n")
    with pytest.raises(UserError, match=r"broken\.py: this file does not run \(SyntaxError"):
        build_model(PythonModel(f"{tmp_path}/broken.py:build"), VOCABULARY, WINDOW, 0)


@pytest.mark.parametrize(
    ("config", "fields", "message"),
    [
        ("Qwen3", {}, "Qwen3: transformers has no such class"),
        ("AutoModel", {}, "AutoModel: transformers has no such class"),
        ("nowhere/config.json", {}, r"nowhere/config\.json: there is no such file"),
        ("Qwen3Config", {"hidden_size": "wide"}, "Qwen3Config: it makes no model"),
        (
            "GPT2Config",
            {"activation_function": "swiglu"},
            r"GPT2Config: activation_function = 'swiglu': .* Did you mean 'silu'\?",
        ),
    ],
)
def test_a_configuration_that_makes_no_model(config: str, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        build_model(TransformersModel(config, fields), VOCABULARY, WINDOW, 0)


def test_a_folder_that_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no checkpoint of transformers is here"):
        build_model(Checkpoint(str(tmp_path)), VOCABULARY, WINDOW, 0)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match=r"transformers cannot load this checkpoint"):
        build_model(Checkpoint(str(tmp_path)), VOCABULARY, WINDOW, 0)
