"""How fast runs are that are trained in one step, beside one of them: streams, steps and checkpoints as in a study."""

import math
import tempfile
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ..data import corpus, people, tokenizer
from ..data.stream import Stream, make_source
from ..models.build import build_model, n_parameters
from ..specs import Architecture
from ..training.course import TrainingStopped
from ..training.stack import Member, steps_ahead, train_stack
from .training import DEVICE, FULL, GPU, TINY, Shape
from .training import ours as time_alone

WARM = 2  # looks of a stack at its losses before time counts: it is compiled and captured until then


@dataclass(frozen=True)
class Plan:
    """A shape, and how many runs of it are trained at once."""

    shape: Shape
    size: int


# on a GPU the paper's batch, and a small one, at which it waits for its kernels most; on a processor a small one
PLANS = [Plan(Shape(Architecture(2, 1, 16), TINY, batch_size=4, window=64, steps=400), size=8)]
if GPU:
    PLANS = [
        Plan(Shape(Architecture(2, 2, 128), FULL, batch_size=24, window=512, steps=800), size=8),
        Plan(Shape(Architecture(2, 1, 64), FULL, batch_size=2, window=512, steps=4000), size=16),
    ]


def measure_alone(number: int) -> dict[str, Any]:
    """Tokens a second of one run of a plan, by its number, and what is trained."""
    shape = PLANS[number].shape
    _, vocabulary = _make_streams(shape)
    model = build_model(shape.architecture, vocabulary, shape.window, 0)
    return {
        "architecture": shape.architecture.slug,
        "layers": shape.architecture.layers,
        "n_parameters": n_parameters(model, vocabulary),
        "batch_size": shape.batch_size,
        "window": shape.window,
        "size": PLANS[number].size,
        "device": torch.cuda.get_device_name() if GPU else "cpu, 1 thread",
        "tokens_per_second": shape.batch_size * shape.window / time_alone(shape, 1)["seconds"],
    }


def measure_together(number: int) -> dict[str, Any]:
    """Tokens a second of all runs of a plan in one step, and the most memory of the GPU that they took, in bytes."""
    torch.set_num_threads(1)
    shape, size = PLANS[number].shape, PLANS[number].size
    stream_of, vocabulary = _make_streams(shape)
    at_a_look = steps_ahead(size, shape.run.recipe)
    looks = max(2, math.ceil(shape.steps / at_a_look))
    ended: list[float] = []

    def stop() -> bool:
        ended.append(time.perf_counter())
        return len(ended) == WARM + looks

    with tempfile.TemporaryDirectory() as folder, suppress(TrainingStopped):
        runs = [replace(shape.run, seed=seed) for seed in range(size)]
        members = [
            Member(run, partial(stream_of, run.seed), Path(folder) / str(run.seed), "") for run in runs
        ]
        deque(train_stack(members, vocabulary, size, math.inf, DEVICE, stop=stop), maxlen=0)
    tokens = size * shape.batch_size * shape.window * at_a_look * looks
    return {
        "tokens_per_second": tokens / (ended[-1] - ended[WARM - 1]),
        "bytes": torch.cuda.max_memory_allocated() if GPU else None,
    }


def _make_streams(shape: Shape) -> tuple[Callable[[int], Stream], int]:
    """What makes the stream of each seed, and the size of the vocabulary."""
    words = tokenizer.make_word_tokenizer(corpus.vocabulary_texts(shape.dataset))

    def stream_of(seed: int) -> Stream:
        codes = people.draw_all_people(shape.dataset, seed).to(DEVICE)
        return Stream(make_source(shape.dataset, seed, codes), words)

    return stream_of, words.get_vocab_size()
