"""How fast and how small the data stream is, beside what one would write without it.

Everything is measured on one core, in one process for each number of people; speeds are the best of several
rounds, and ratios are of speeds taken in the same process.
"""

import platform
import resource
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import torch

from ..data import corpus, people, tokenizer
from ..data.people import CHUNK
from ..data.stream import Stream, make_source
from ..data.windows import Windows
from ..data.words.templates import TEMPLATES
from ..specs import BioS

ROUNDS = 5
BATCH_SIZE, WINDOW = 192, 512
LOOP = 4_000  # biographies of the obvious loop that are timed
BYTE_PAIRS = "bpe-4000"


def measure_stream(n_people: int, file: Path) -> dict[str, Any]:
    """Speeds in 1/s and sizes in bytes, for bioS at full pools. file: where the people are written."""
    torch.set_num_threads(1)
    dataset = BioS(n_people=n_people)
    words = tokenizer.make_word_tokenizer(corpus.vocabulary_texts(dataset))
    floor = peak_memory_bytes()
    drawing = _shortest_seconds(lambda: people.write_people(file, dataset, 0), rounds=1)
    began = time.perf_counter()
    codes = people.read_people(file, dataset, 0)
    reading = time.perf_counter() - began
    with_people = peak_memory_bytes()
    stream = Stream(make_source(dataset, 0, codes), words)
    mean = stream.mean_length()
    windows = Windows(stream, 1000, BATCH_SIZE, WINDOW)
    windows.next()
    batches = max(1, int(200_000 * mean / (BATCH_SIZE * WINDOW)))  # some 200,000 biographies

    def pack() -> None:
        for _ in range(batches):
            windows.next()

    packed = batches * BATCH_SIZE * WINDOW / mean / _shortest_seconds(pack)
    chunk = 1 << 13
    made = chunk / _shortest_seconds(lambda: stream.tokens(stream.pieces(chunk, 2 * chunk)), rounds=50)
    result: dict[str, Any] = {
        "n_people": n_people,
        "tokens_per_biography": mean,
        "biographies_per_second": made,
        "packed_biographies_per_second": packed,
        "packed_tokens_per_second": packed * mean,
        "bytes_per_person": codes.element_size() * codes.shape[1],
        "file_bytes_per_person": file.stat().st_size / n_people,
        "draw_and_write_seconds": drawing,
        "read_seconds": reading,
        "peak_bytes_before": floor,
        "peak_bytes_people": with_people,
        "peak_bytes_stream": peak_memory_bytes(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    if n_people <= CHUNK:
        sample = ["".join(pieces) for pieces in corpus.sample_biographies(dataset)]
        pairs = tokenizer.make_tokenizer(BYTE_PAIRS, corpus.vocabulary_texts(dataset), sample)
        small = Stream(make_source(dataset, 0, codes), pairs)
        ours = chunk / _shortest_seconds(lambda: small.tokens(small.pieces(0, chunk)), rounds=20)
        facts = list(islice(people.decode_facts(dataset, codes), LOOP))
        result["loop_biographies_per_second"] = len(facts) / _shortest_seconds(
            lambda: _run_naive_loop(facts, words)
        )
        result["ratio_word"] = made / result["loop_biographies_per_second"]
        result["ratio_word_packed"] = packed / result["loop_biographies_per_second"]
        result["loop_byte_pair_biographies_per_second"] = len(facts) / _shortest_seconds(
            lambda: _run_naive_loop(facts, pairs)
        )
        result["ratio_byte_pair"] = ours / result["loop_byte_pair_biographies_per_second"]
    return result


def _run_naive_loop(facts: list[dict[str, str]], tokens: Any) -> None:
    """The obvious way: format sentences in Python, shuffle and join them, tokenise a thousand at a time."""
    draw = Random(0)  # noqa: S311 (no secret)

    def texts() -> Iterator[str]:
        for person in facts:
            attributes = list(TEMPLATES)
            draw.shuffle(attributes)
            sentences = []
            for i, attribute in enumerate(attributes):
                subject = person["name"] if i == 0 else person["pronoun"].capitalize()
                template = draw.choice(TEMPLATES[attribute])
                sentences.append(template.format(subject=subject, value=person[attribute]))
            yield " ".join(sentences)

    source = texts()
    while some := list(islice(source, 1000)):
        for encoding in tokens.encode_batch(some):
            _ = encoding.ids


def _shortest_seconds(action: Callable[[], Any], rounds: int = ROUNDS) -> float:
    """The shortest time the action takes."""
    best = float("inf")
    for _ in range(rounds):
        began = time.perf_counter()
        action()
        best = min(best, time.perf_counter() - began)
    return best


def peak_memory_bytes() -> int:
    """The most memory that this process has had so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if platform.system() == "Darwin" else 1024)
