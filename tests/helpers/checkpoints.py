"""Folders of trained models from elsewhere, as transformers leaves them or as other tools do."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import save_file
from torch import Tensor
from transformers import AutoModelForCausalLM

SMALL: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
}
QWEN: dict[str, Any] = {**SMALL, "num_key_value_heads": 1, "head_dim": 8, "tie_word_embeddings": False}


def save_model(folder: Path, config: str, fields: dict[str, Any], vocabulary: int) -> Path:
    """A model of transformers whose weights are drawn widely enough that all of them matter."""
    ids = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": None}
    made = getattr(transformers, config)(vocab_size=vocabulary, **{**ids, **fields})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(made)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.3 * torch.randn(parameter.shape))
    model.save_pretrained(folder)
    return folder


def write_checkpoint(folder: Path, like: Path, weights: dict[str, Tensor]) -> Path:
    """A folder with the configuration and the tokenizer of another one, and these weights."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in like.glob("*.json"):
        shutil.copy(file, folder)
    save_file(
        {n: t.detach().clone() for n, t in weights.items()}, folder / "model.safetensors", {"format": "pt"}
    )
    return folder


def edit_config(folder: Path, **values: Any) -> None:
    """Replace values of config.json."""
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))
