"""Making models of every kind of architecture, and counting their parameters."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from ..specs import AnyArchitecture, Architecture, Checkpoint
from . import checkpoint, external
from .decoder import Decoder


def build_model(architecture: AnyArchitecture, vocabulary: int, window: int, seed: int) -> nn.Module:
    """A model on the CPU whose random weights depend on the seed alone; a checkpoint's are its own."""
    if isinstance(architecture, Checkpoint):
        return checkpoint.read_checkpoint(architecture)
    if isinstance(architecture, Architecture):
        model = Decoder(architecture, vocabulary, window)
        model.initialise(torch.Generator().manual_seed(seed))
        return model
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return external.build_external_model(architecture, vocabulary, window)


def n_parameters(model: nn.Module, used_tokens: int) -> int:
    """P of the metric (Allen-Zhu & Li 2024): all parameters, embedding and head with the rows of used tokens.

    For GPT-2 this is 12ℓd² + 13ℓd + 2d + V·d. A mixture of experts counts all of its experts.
    """
    total = sum(parameter.numel() for parameter in model.parameters())
    by_token = {id(weight): weight for weight in token_weights(model)}.values()
    return total - sum(weight[:1].numel() * (len(weight) - used_tokens) for weight in by_token)


def token_weights(model: nn.Module) -> Iterator[Tensor]:
    """Parameters with a row for each token of the vocabulary: embedding, head, and the head's bias."""
    embeddings = [module for module in model.modules() if isinstance(module, nn.Embedding)]
    if not embeddings:
        return
    first = embeddings[0]
    yield first.weight
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    head: Any = linear[-1] if linear else None  # the last one of a module that we do not know
    if isinstance(model, Decoder):
        head = model.head
    elif ask := getattr(model, "get_output_embeddings", None):  # a model of transformers says
        head = ask()
    if head is not None and head.out_features == first.num_embeddings:
        yield head.weight
        if head.bias is not None:
            yield head.bias
