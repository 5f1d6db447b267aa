"""What a method with data sees of a run: its model, and biographies as it was trained on them."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from ..data import tokenizer
from ..data.bios import BioSSource
from ..data.reading import read_data
from ..data.stream import Lane, Stream
from ..models import store
from ..specs import Quantizer
from .variants import CalibrationSource

BATCH_TOKENS = 1 << 14


def load_model_and_stream(source: CalibrationSource) -> tuple[nn.Module, Stream]:
    """The trained model, and the stream that it was trained on."""
    run = source.run
    stream, tokens = read_data(run, source.results)
    weights, vocabulary = store.read_weights(source.model), tokenizer.embedding_rows(tokens)
    return store.load_model(source.model, run.architecture, vocabulary, run.recipe.window, weights), stream


def calibration_batches(
    stream: Stream, quantizer: Quantizer, window: int, say: Callable[[str], None]
) -> list[Tensor]:
    """What a quantizer sees, as windows: int32 (batch, window) each.

    Biographies, one of each person, stand one after the other with end-of-text tokens between, as in training. Random
    tokens are drawn evenly from those that training has, as many as these people's biographies have. What is left after
    the last whole window is a batch of its own. say: is told where the dataset has fewer people.
    """
    there, n_people = stream.dataset.n_people, quantizer.calibration_people
    if n_people > there and quantizer.calibration in ("people", "random"):
        say(f"calibration on all {there} people, since there are no {n_people}")
        n_people = there
    tokens, _ = stream.tokens(_told_pieces(stream, quantizer.calibration, n_people))
    if quantizer.calibration == "random":
        known = stream.possible_tokens()
        generator = torch.Generator().manual_seed(stream.seed)
        tokens = known[torch.randint(len(known), tokens.shape, generator=generator)]
    tokens = torch.cat([tokens.new_tensor([stream.end_token]), tokens])[:-1]
    whole = len(tokens) // window * window
    found = list(tokens[:whole].view(-1, window).split(max(1, BATCH_TOKENS // window)))
    return [*(batch for batch in found if len(batch)), *_partial_batch(tokens[whole:])]


def _told_pieces(stream: Stream, whose: str, n_people: int) -> Tensor:
    """Phrase numbers of a biography of each of n_people."""
    if whose == "junk":
        return stream.pieces(0, n_people, Lane.JUNK)
    if whose != "others":
        return stream.pieces(0, n_people)
    assert isinstance(stream.source, BioSSource)
    return stream.source.others(stream.n_people_told, torch.arange(n_people))


def _partial_batch(tokens: Tensor) -> Iterator[Tensor]:
    if len(tokens):
        yield tokens[None]
