"""A looped GPT-2: a few layers, gone through several times over with the same weights.

P counts each weight once, so a loop costs time and no parameters.
"""

import torch
from knowledge_capacity.models.decoder import Decoder
from knowledge_capacity.specs import Architecture
from torch import nn


def looped(
    vocabulary: int,
    window: int,
    width: int = 16,
    layers: int = 1,
    heads: int = 1,
    loops: int = 4,
    mlp_width: int | None = None,
) -> nn.Module:
    """`layers` layers of the study's decoder, gone through `loops` times."""
    architecture = Architecture(layers, heads, width, mlp_width=mlp_width)
    decoder = Decoder(architecture, vocabulary, window)
    decoder.initialise(torch.default_generator)
    decoder.layers = nn.ModuleList(list(decoder.layers) * loops)
    return nn.Sequential(decoder)  # in a module of its own, since a bare Decoder would be saved as GPT-2
