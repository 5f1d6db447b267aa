"""A model that draws at random while it trains, and keeps more than weights."""

# ruff: noqa: S311 (generators of every kind, and no secret)

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


def build(vocabulary: int, window: int) -> nn.Module:
    return nn.Sequential(
        nn.Embedding(vocabulary, window),
        nn.Dropout(0.2),
        nn.BatchNorm1d(window),
        nn.Linear(window, vocabulary),
    )


SHARED = np.random.default_rng(5)


class Shaken(nn.Module):
    """Adds numbers of one kind of generator to what it embeds, while it trains."""

    def __init__(self, vocabulary: int, width: int, kind: str) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.head = nn.Linear(width, vocabulary)
        torch_own, numpy_own, python_own = torch.Generator(), [np.random.RandomState(5)], random.Random(5)
        torch_own.manual_seed(5)
        self.own: dict[str, Any] = {"torch": torch_own, "python": python_own}
        self.several = numpy_own
        self.kind = kind

    def draw(self) -> float:
        """A number of the generator."""
        draws: dict[str, Callable[[], float]] = {
            "torch": lambda: float(torch.rand(())),
            "numpy": np.random.random,
            "python": random.random,
            "own torch": lambda: float(torch.rand((), generator=self.own["torch"])),
            "own numpy": lambda: self.several[0].rand(),
            "own python": lambda: self.own["python"].random(),
            "of the file": SHARED.random,
            "of the system": lambda: random.SystemRandom().random(),
        }
        return draws[self.kind]()

    def forward(self, tokens: Tensor) -> Tensor:
        noise = self.draw() if self.training else 0.0
        return self.head(self.embedding(tokens) * (1 + noise))


def build_shaken(vocabulary: int, window: int, kind: str) -> nn.Module:
    return Shaken(vocabulary, window, kind)
