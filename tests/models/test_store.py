"""Saved runs: what is written reads back, and what is damaged is refused."""

import json
from pathlib import Path

import pytest
import torch
from knowledge_capacity.files import UserError
from knowledge_capacity.models import store
from knowledge_capacity.models.build import build_model, n_parameters
from knowledge_capacity.specs import Architecture, BioS, Recipe, Run
from safetensors.torch import save_file
from torch import nn
from transformers import AutoModelForCausalLM

SMALL = Architecture(layers=2, heads=2, width=16)
RUN = Run(BioS(n_people=10), SMALL, Recipe(exposures=1, lr=1e-3, window=32), seed=0)


def saved(folder: Path) -> tuple[nn.Module, Path]:
    model = build_model(SMALL, 20, 32, 0)
    store.write_model(folder, model, RUN, end_token=4)
    return model, folder / "model.safetensors"


def test_weights_read_back(tmp_path: Path) -> None:
    model, path = saved(tmp_path / "run")
    weights = store.read_weights(path)
    expected, outside = store.saved_weights(model)
    assert weights.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(weights[name], tensor)
    assert (
        store.quantizable_weights(tmp_path / "run/model.safetensors")[1]
        == outside
        == {"gpt_neox.embed_in.weight"}
    )
    # the head is tied and the rotary tables follow from the position: neither is stored
    assert sum(tensor.numel() for tensor in weights.values()) == n_parameters(model, 20)


def test_one_model_gives_one_file_byte_for_byte(tmp_path: Path) -> None:
    (_, a), (_, b) = saved(tmp_path / "a"), saved(tmp_path / "b")
    assert a.read_bytes() == b.read_bytes()


def test_transformers_loads_the_folder_without_being_told_what_it_is(tmp_path: Path) -> None:
    model, _ = saved(tmp_path)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert theirs.config.eos_token_id == 4
    tokens = torch.arange(20)[None]
    with torch.no_grad():
        torch.testing.assert_close(theirs(tokens).logits, model(tokens), atol=1e-5, rtol=0)
    assert json.loads((tmp_path / "config.json").read_text())["vocab_size"] == 20


@pytest.mark.parametrize("kept", [0, 4, 0.5, 0.999])
def test_a_damaged_file_is_refused(tmp_path: Path, kept: float) -> None:
    _, path = saved(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept if kept > 1 else kept * len(whole))])
    with pytest.raises(UserError, match=r"model\.safetensors: not a whole weights file.*Delete it"):
        store.read_weights(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"model\.safetensors: not a whole weights file"):
        store.read_weights(tmp_path / "model.safetensors")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_numbers_are_refused(tmp_path: Path, value: float) -> None:
    _, path = saved(tmp_path)
    weights = store.read_weights(path)
    weights["gpt_neox.layers.1.mlp.dense_h_to_4h.bias"][3] = value
    save_file(weights, path)
    with pytest.raises(UserError, match=r"gpt_neox\.layers\.1\.mlp\.dense_h_to_4h\.bias holds NaN or"):
        store.read_weights(path)


def test_a_run_that_diverged_has_no_weights_and_says_why(tmp_path: Path) -> None:
    store.write_diverged(tmp_path, RUN, "the loss is nan at step 3")
    with pytest.raises(store.Diverged, match=r"model\.safetensors: .*the loss is nan at step 3"):
        store.read_weights(tmp_path / "model.safetensors")
