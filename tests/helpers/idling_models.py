"""Models with what stacks have to heed: parameters without gradient, and what changes from call to call."""

import torch
from torch import Tensor, nn


class Idling(nn.Module):
    """Some parameters are not used, and one is not to be learned."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(vocabulary, 8), nn.Linear(8, vocabulary)
        self.unused = nn.Linear(8, 8)
        self.frozen = nn.Parameter(torch.ones(8), requires_grad=False)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.embedding(tokens) * self.frozen)


def build(vocabulary: int, window: int) -> nn.Module:
    return Idling(vocabulary)


class Counting(nn.Module):
    """What it gives depends on how often it was called."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(vocabulary, 8), nn.Linear(8, vocabulary)
        self.calls = 0

    def forward(self, tokens: Tensor) -> Tensor:
        self.calls += 1
        return self.head(self.embedding(tokens)) * (1 + 1 / self.calls)


def counting(vocabulary: int, window: int) -> nn.Module:
    return Counting(vocabulary)


class Remembering(nn.Module):
    """It keeps how often it was called in a table that is not saved."""

    calls: Tensor

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(vocabulary, 8), nn.Linear(8, vocabulary)
        self.register_buffer("calls", torch.zeros(1), persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        self.calls += 1
        return self.head(self.embedding(tokens))


def remembering(vocabulary: int, window: int) -> nn.Module:
    return Remembering(vocabulary)
