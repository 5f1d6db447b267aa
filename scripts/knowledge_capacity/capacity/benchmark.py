"""How long scoring a model takes, beside training it."""

import time
from statistics import median
from typing import Any

import torch

from ..data import corpus, people, tokenizer
from ..data.benchmark import resident
from ..data.stream import Stream, source_of
from ..models.build import build, n_parameters
from ..training.benchmark import Shape
from . import losses

SCORED = 1000  # people, at most
ROUNDS = 3


def measure(shape: Shape, threads: int) -> dict[str, Any]:
    """Tokens a second of scoring, with how many texts a person, and the memory it adds in bytes."""
    torch.set_num_threads(threads)
    words = tokenizer.word_level(corpus.texts(shape.dataset))
    stream = Stream(source_of(shape.dataset, 0, people.table(shape.dataset, 0)), words)
    model = build(shape.architecture, words.get_vocab_size(), shape.window, 0).eval()
    n = min(SCORED, shape.dataset.n_people)
    draws = losses.n_draws(shape.dataset)
    tokens = sum(int(stream.lengths(stream.probe_pieces(draw, 0, n)).sum()) for draw in range(draws))
    before, seconds = resident(), []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        losses.score(model, stream, n_people=n)
        seconds.append(time.perf_counter() - began)
    return {
        "architecture": shape.architecture.slug,
        "n_parameters": n_parameters(model, words.get_vocab_size()),
        "n_people": shape.dataset.n_people,
        "draws": draws,
        "tokens_per_second": tokens / median(seconds),
        "bytes": resident() - before,
    }
