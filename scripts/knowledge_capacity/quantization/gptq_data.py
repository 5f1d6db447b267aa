"""What a method with data sees of a run: its model, and biographies as it was trained on them."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from ..data import tokenizer
from ..data.reading import read_data
from ..data.stream import Stream
from ..models import store
from .variants import CalibrationSource

BATCH_TOKENS = 1 << 14


def load_model_and_stream(source: CalibrationSource) -> tuple[nn.Module, Stream]:
    """The trained model, and the stream that it was trained on."""
    run = source.run
    stream, tokens = read_data(run, source.results)
    weights, vocabulary = store.read_weights(source.model), tokenizer.embedding_rows(tokens)
    return store.load_model(source.model, run.architecture, vocabulary, run.recipe.window, weights), stream


def calibration_batches(
    stream: Stream, n_people: int, window: int, say: Callable[[str], None]
) -> list[Tensor]:
    """The first biographies of training, one of each of n_people, as windows: int32 (batch, window) each.

    They stand one after the other with end-of-text tokens between, as in training, without junk. What is
    left after the last whole window is a batch of its own. say: is told where there are fewer people.
    """
    there = stream.dataset.n_people
    if n_people > there:
        say(f"calibration on all {there} people, since there are no {n_people}")
    tokens, _ = stream.tokens(stream.pieces(0, min(n_people, there)))
    tokens = torch.cat([tokens.new_tensor([stream.end_token]), tokens])[:-1]
    whole = len(tokens) // window * window
    found = list(tokens[:whole].view(-1, window).split(max(1, BATCH_TOKENS // window)))
    return [*(batch for batch in found if len(batch)), *_partial_batch(tokens[whole:])]


def _partial_batch(tokens: Tensor) -> Iterator[Tensor]:
    if len(tokens):
        yield tokens[None]
