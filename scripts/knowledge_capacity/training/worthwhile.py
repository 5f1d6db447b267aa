"""How many runs pay to be trained in one step on a GPU: for training and, without torch, for planning."""

import math

# Numbers in the residual stream at a step, of all replicas: with fewer a GPU waits for one small kernel after the
# other. It is that of eight GPT2-2-2 at 24 windows of 512 tokens.
WORTHWHILE = 8 * 24 * 512 * 128
MOST = 16  # replicas, however small


def worthwhile_size(batch_size: int, window: int, width: int) -> int:
    """How many runs of such a batch and width of the residual stream."""
    return max(1, min(MOST, round(WORTHWHILE / (batch_size * window * width))))


def even_size(runs: int, most: int) -> int:
    """How many of so many runs to train at once, at most `most`: a step takes as long for places without a run, so
    that nine runs are better five and four than eight and one.
    """
    turns = math.ceil(runs / most)
    return math.ceil(runs / turns)
