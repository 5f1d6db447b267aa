"""A model of the user's that could not be measured afterwards is refused before it is trained."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.train_jobs import OUTPUTS, RUN, Job
from knowledge_capacity.specs import AnyArchitecture, PythonModel, TransformersModel

LOOKS_AHEAD = """
from torch import nn

class Model(nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, 8)
        self.head = nn.Linear(8, vocabulary)

    def forward(self, tokens):
        x = self.embedding(tokens)
        return self.head(x + x.roll(-1, dims=1))

def build(vocabulary, window):
    return Model(vocabulary)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("architecture", "said"),
    [
        (PythonModel("ahead.py:build"), "it is not causal"),
        (
            TransformersModel("GPT2Config", {"n_embd": 8, "n_layer": 1, "n_head": 1, "n_positions": 8}),
            "fails on",
        ),
    ],
    ids=["looks ahead", "too few positions"],
)
def test_it_is_refused_before_training(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, architecture: AnyArchitecture, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ahead.py").write_text(LOOKS_AHEAD)
    job = Job(
        data,
        tmp_path / "results",
        replace(RUN, architecture=architecture, recipe=replace(RUN.recipe, window=8)),
    )
    with pytest.raises(subprocess.CalledProcessError) as failed:
        job.finish()
    assert said in failed.value.stderr
    assert not any((job.folder / name).exists() for name in OUTPUTS)


COOLS = LOOKS_AHEAD.replace("x + x.roll(-1, dims=1)", "x / self.heat").replace(
    "        x = ", "        self.heat *= 0.99999 if self.training else 1\n        x = "
)


def test_what_is_learned_beside_the_weights_is_told(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cools.py").write_text(COOLS.replace("self.head =", "self.heat = 1.0; self.head ="))
    run = replace(
        RUN,
        architecture=PythonModel("cools.py:build"),
        recipe=replace(RUN.recipe, exposures=20, warmup_steps=5),
    )
    job = Job(data, tmp_path / "results", run)
    with pytest.raises(subprocess.CalledProcessError) as failed:
        job.finish()
    assert "model.safetensors: its logits depend on numbers that are not saved with its weights" in (
        failed.value.stderr
    )
    assert not any((job.folder / name).exists() for name in OUTPUTS)
