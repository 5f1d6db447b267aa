"""A model that draws at random while it trains, and keeps more than weights."""

from torch import nn


def build(vocabulary: int, window: int) -> nn.Module:
    return nn.Sequential(
        nn.Embedding(vocabulary, window),
        nn.Dropout(0.2),
        nn.BatchNorm1d(window),
        nn.Linear(window, vocabulary),
    )
