"""A model of your own, to copy: no attention, but in each channel a memory that fades at a rate it learns.

    make bits MODEL=studies/models/block.py:build

Whatever `build` returns will do, if it makes of token ids (batch, length) logits (batch, length, vocabulary).
"""

import torch
from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.look = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * width))
        self.rate = nn.Parameter(torch.linspace(-2, 6, width))
        self.think = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.look(x).chunk(2, dim=-1)
        place = torch.arange(x.shape[1], device=x.device)
        age = (place[:, None] - place)[..., None]  # of each token, seen from each
        kept = torch.where(age >= 0, self.rate.sigmoid() ** age.clamp(min=0), 0.0)
        x = x + gate.sigmoid() * torch.einsum("tsd,bsd->btd", kept, value)
        return x + self.think(x)


class Model(nn.Module):
    def __init__(self, vocabulary: int, width: int, layers: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        nn.init.normal_(self.embedding.weight, std=0.02)
        self.blocks = nn.Sequential(*(Block(width) for _ in range(layers)), nn.LayerNorm(width))

    def forward(self, tokens: Tensor) -> Tensor:
        return self.blocks(self.embedding(tokens)) @ self.embedding.weight.t()


def build(vocabulary: int, window: int, width: int = 16, layers: int = 2) -> nn.Module:
    """Called by name, with the number of tokens there are and the length of training's windows."""
    return Model(vocabulary, width, layers)
