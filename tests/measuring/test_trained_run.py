"""P of a user's model: what training has learned in buffers counts as well."""

from pathlib import Path

import pytest
from knowledge_capacity.measuring import instrument_checks
from knowledge_capacity.measuring.trained_run import TrainedRun
from knowledge_capacity.models.build import build_run_model
from knowledge_capacity.specs import BioS, PythonModel, Recipe, Run

REMEMBERS = """
import torch
from torch import nn

class Model(nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, 8)
        self.norm = nn.BatchNorm1d(8)
        self.head = nn.Linear(8, vocabulary)
        self.register_buffer("scale", torch.ones(3))
        self.register_buffer("table", torch.arange(100), persistent=False)

    def forward(self, tokens):
        return self.head(self.norm(self.embedding(tokens).transpose(1, 2)).transpose(1, 2))

def build(vocabulary, window):
    return Model(vocabulary)
"""


def test_buffers_that_training_has_changed_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("remembers.py").write_text(REMEMBERS)
    dataset = BioS(n_people=12, pools=instrument_checks.POOLS)
    run = Run(dataset, PythonModel("remembers.py:build"), Recipe(1, 1e-3, window=64), 0)
    stream = instrument_checks.build_stream(dataset, tmp_path)
    vocabulary = int(stream.possible_tokens().max()) + 1
    subject = TrainedRun(run, {"used_tokens": vocabulary}, stream, vocabulary, tmp_path / "model.safetensors")
    model = build_run_model(run, vocabulary)
    parameters = sum(one.numel() for one in model.parameters())
    assert subject.count_parameters(model) == parameters
    model.train()(stream.possible_tokens()[None])
    assert (
        subject.count_parameters(model) == parameters + 8 + 8 + 1
    )  # means, variances, and of how many batches
