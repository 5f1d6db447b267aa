"""How long scoring a model takes, beside training it."""

import time
from statistics import median
from typing import Any

import torch

from ..data import corpus, people, tokenizer
from ..data.stream import Stream, make_source
from ..measuring import scoring
from ..models.build import build_model, n_parameters
from .stream import peak_memory_bytes
from .training import Shape

SCORED = 1000  # people, at most
ROUNDS = 3


def measure_scoring_speed(shape: Shape, threads: int) -> dict[str, Any]:
    """Tokens a second of scoring, with how many texts a person, and the memory it adds in bytes."""
    torch.set_num_threads(threads)
    words = tokenizer.make_word_tokenizer(corpus.vocabulary_texts(shape.dataset))
    stream = Stream(make_source(shape.dataset, 0, people.draw_all_people(shape.dataset, 0)), words)
    model = build_model(shape.architecture, words.get_vocab_size(), shape.window, 0).eval()
    n = min(SCORED, shape.dataset.n_people)
    draws = scoring.n_draws(shape.dataset)
    tokens = sum(int(stream.lengths(stream.probe_pieces(draw, 0, n)).sum()) for draw in range(draws))
    before, seconds = peak_memory_bytes(), []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        scoring.score_model(model, stream, n_people=n)
        seconds.append(time.perf_counter() - began)
    return {
        "architecture": shape.architecture.slug,
        "n_parameters": n_parameters(model, words.get_vocab_size()),
        "n_people": shape.dataset.n_people,
        "draws": draws,
        "tokens_per_second": tokens / median(seconds),
        "bytes": peak_memory_bytes() - before,
    }
