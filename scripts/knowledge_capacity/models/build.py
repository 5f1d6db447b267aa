"""Making models of every kind of architecture, and counting their parameters."""

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor, nn

from ..specs import AnyArchitecture, Architecture, Checkpoint, Run
from . import checkpoint, external
from .decoder import INIT_STD, Decoder
from .generators import seed_building
from .token_tables import find_tables, token_tables


def build_run_model(run: Run, vocabulary: int) -> nn.Module:
    """The model of a run as it is before training, on the CPU."""
    return build_model(run.architecture, vocabulary, run.recipe.window, run.seed, run.recipe.init_std)


def build_model(
    architecture: AnyArchitecture,
    vocabulary: int,
    window: int,
    seed: int,
    init_std: float | Literal["width"] = INIT_STD,
) -> nn.Module:
    """A model on the CPU whose random weights depend on the seed alone; a checkpoint's are its own.

    init_std: the standard deviation of a decoder's matrices; models from elsewhere know their own.
    """
    if isinstance(architecture, Checkpoint):
        return checkpoint.read_checkpoint(architecture)
    if isinstance(architecture, Architecture):
        model = Decoder(architecture, vocabulary, window)
        std = architecture.width**-0.5 if init_std == "width" else init_std
        model.initialise(torch.Generator().manual_seed(seed), std)
        return model
    with seed_building(seed):
        return external.build_external_model(architecture, vocabulary, window)


def n_parameters(model: nn.Module, used_tokens: int, window: int | None = None) -> int:
    """P of the metric (Allen-Zhu & Li 2024): all parameters, tables over the vocabulary with the rows of used tokens.

    window: that of training; embeddings of later positions do not count. For GPT-2 this is
    12ℓd² + 13ℓd + 2d + V·d. A mixture of experts counts all of its experts.
    """
    tables, positions = find_tables(model)
    total = sum(parameter.numel() for parameter in model.parameters())
    total -= sum(table.row_size * (table.rows - used_tokens) for table in tables)
    return total - (0 if window is None else sum(table.unreached(window) for table in positions))


def kept_buffers(model: nn.Module) -> list[tuple[str, Tensor]]:
    """What a model keeps beside its weights, such as running means; not tables that it can make again."""
    kept = model.state_dict().keys()
    return [(name, buffer) for name, buffer in model.named_buffers() if name in kept]


def token_weights(model: nn.Module) -> Iterator[Tensor]:
    """Parameters with a row for each token of the vocabulary: embedding, head, the head's bias, and what else has."""
    return (table.weight for table in token_tables(model))
