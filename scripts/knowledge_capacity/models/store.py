"""Saved runs: a folder that transformers loads, and that the later stages read."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..files import UserError, remake, replacing, write_json
from ..specs import Architecture
from .decoder import Decoder, saved_weights, transformers_config


def write(folder: Path, model: Decoder, architecture: Architecture, window: int, end_token: int) -> None:
    """Write weights and config.json."""
    weights = saved_weights(model.to("cpu"))
    vocabulary = len(model.embed_in.weight)
    write_json(folder / "config.json", transformers_config(architecture, vocabulary, window, end_token))
    with replacing(folder / "model.safetensors") as aside:
        save_file(weights, aside, {"format": "pt"})


def read_weights(path: Path) -> dict[str, Tensor]:
    """The weights of a saved run; refuses a damaged file and weights that are not numbers."""
    try:
        weights = load_file(path)
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: not a whole weights file ({error}). {remake(path)}") from error
    for name, tensor in weights.items():
        if not tensor.isfinite().all():
            raise UserError(
                f"{path}: {name} holds NaN or infinity. Delete it and train again with a lower lr."
            )
    return weights
