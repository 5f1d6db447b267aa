"""How fast training is, beside transformers' Trainer on the GPT-NeoX class of the same shape.

Both start from the same weights and see the same windows, and both are AdamW with the same schedule; that
their losses agree is measured too. Each is timed in a process of its own, so that its memory is its own, ours
with the real stream and loop of the study. The floor is the time that the matrix products alone would take.
"""

import itertools
import math
import platform
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor

from ..data import corpus, people, tokenizer
from ..data.stream import Stream, make_source
from ..data.windows import Windows
from ..models import store
from ..models.build import build_model, n_parameters
from ..specs import Architecture, BioS, Dataset, Pools, Recipe, Run
from ..training.loop import train
from ..training.schedule import learning_rate
from .stream import peak_memory_bytes

TINY = BioS(300, Pools(16, 16, 32, 16, 16, 16, 16, 16), templates=1)  # that of config.yaml
FULL = BioS(10_000)
ALIKE = 40  # steps whose losses are compared
TRAINER_STEPS = 200  # at most: each is timed by itself
GPU = torch.cuda.is_available()
DEVICE = "cuda" if GPU else "cpu"
WARM = 10 if GPU else 3  # steps that are not timed: on a GPU, compilation and capture are among them


@dataclass(frozen=True)
class Shape:
    """A model and a batch to time it on."""

    architecture: Architecture
    dataset: Dataset
    batch_size: int
    window: int
    steps: int

    @property
    def run(self) -> Run:
        """A run of more steps than are timed."""
        recipe = Recipe(1000, lr=1e-3, batch_size=self.batch_size, window=self.window, warmup_steps=20)
        return Run(self.dataset, self.architecture, recipe, seed=0)


# from 10 thousand parameters to a million, the last at a batch of the paper; on a GPU, its sizes and batches
SHAPES = [
    Shape(Architecture(2, 1, 16), TINY, batch_size=4, window=64, steps=6000),
    Shape(Architecture(2, 1, 16), TINY, batch_size=16, window=64, steps=2000),
    Shape(Architecture(2, 1, 32), TINY, batch_size=16, window=128, steps=600),
    Shape(Architecture(2, 1, 64), TINY, batch_size=16, window=256, steps=100),
    Shape(Architecture(4, 2, 64), FULL, batch_size=24, window=128, steps=30),
    Shape(Architecture(2, 2, 128), FULL, batch_size=24, window=512, steps=8),
]
if GPU:
    SIZES = [(2, 2, 24), (4, 2, 24), (8, 2, 96), (8, 4, 96)]
    SHAPES = [Shape(Architecture(ell, h, 64 * h), FULL, batch, 512, steps=500) for ell, h, batch in SIZES]


class Clock:
    """Tells when steps end. A GPU is waited for at the first and the last step that count, not between."""

    def __init__(self, shape: Shape) -> None:
        self.ended: list[float] = []
        self.last = WARM + shape.steps

    def tick(self) -> bool:
        """To be called after every step; whether it was the last."""
        if GPU and len(self.ended) + 1 in (WARM, self.last):
            torch.cuda.synchronize()
        self.ended.append(time.perf_counter())
        return len(self.ended) == self.last

    def seconds(self) -> float:
        """The median time of a step; on a GPU, which runs behind, the mean."""
        counted = self.ended[WARM - 1 :]
        if GPU:
            return (counted[-1] - counted[0]) / (len(counted) - 1)
        return median(b - a for a, b in itertools.pairwise(counted))


def ours(shape: Shape, threads: int, times: int = 1) -> dict[str, Any]:
    """Seconds a step of the study's loop takes, and how much memory it adds; of so many times the steps.

    The median over the points of its log, which are several steps apart, after those that warm up.
    """
    torch.set_num_threads(threads)
    stream, vocabulary, before = *_make_stream(shape), _peak_memory()
    run = replace(shape.run, recipe=replace(shape.run.recipe, steps=WARM + times * shape.steps))
    with tempfile.TemporaryDirectory() as folder:
        log = train(run, stream, vocabulary, Path(folder) / "checkpoint", "", math.inf, DEVICE).log
    speeds = [point["tokens_per_second"] for point in log if point["step"] > 2 * WARM]
    return {"seconds": shape.batch_size * shape.window / median(speeds), "bytes": _peak_memory() - before}


def trainer(shape: Shape, threads: int) -> dict[str, Any]:
    """The same of Trainer: windows from memory, its own loader, no clipping, nothing logged or saved."""
    torch.set_num_threads(threads)
    shape = replace(shape, steps=min(shape.steps, TRAINER_STEPS))
    stream, vocabulary, before, clock = *_make_stream(shape), _peak_memory(), Clock(shape)
    _train_with_trainer(shape, stream, vocabulary, clock)
    return {"seconds": clock.seconds(), "bytes": _peak_memory() - before}


def both(shape: Shape, threads: int) -> dict[str, Any]:
    """How far the two losses lie apart, at most, over the first steps, and how far they fell."""
    torch.set_num_threads(threads)
    stream, vocabulary = _make_stream(shape)
    tokens = ALIKE * shape.batch_size * shape.window
    exposures = max(1, int(tokens / stream.mean_length() / shape.dataset.n_people))
    run = replace(shape.run, recipe=replace(shape.run.recipe, exposures=exposures))
    with tempfile.TemporaryDirectory() as folder:
        log = train(run, stream, vocabulary, Path(folder) / "checkpoint", "", math.inf, DEVICE).log
    losses = [point["loss"] for point in log[:-1]][
        :ALIKE
    ]  # not the last, partial batch: Trainer counts it whole
    assert [point["step"] for point in log[: len(losses)]] == list(range(1, len(losses) + 1))
    clock = Clock(replace(shape, steps=len(losses) - WARM))
    theirs = _train_with_trainer(shape, stream, vocabulary, clock, [point["lr"] for point in log])
    apart = max(abs(a - b) / b for a, b in zip(losses, theirs, strict=True))
    return {"losses_apart": apart, "loss_first": losses[0], "loss_last": losses[-1], "compared": len(losses)}


def facts(shape: Shape, threads: int) -> dict[str, Any]:
    """What is trained, the operations of its matrix products, and this machine's rate of those."""
    torch.set_num_threads(threads)
    a, (_, vocabulary) = shape.architecture, _make_stream(shape)
    model = build_model(a, vocabulary, shape.window, 0)
    tokens = shape.batch_size * shape.window
    matrices = sum(p.numel() for name, p in model.named_parameters() if p.dim() == 2)
    # forward and backward are three products of two operations each; attention sees half the window
    attention = 2 * a.layers * a.width * shape.window / 2
    return {
        "architecture": a.slug,
        "layers": a.layers,
        "n_parameters": n_parameters(model, vocabulary),
        "vocabulary": vocabulary,
        "batch_size": shape.batch_size,
        "window": shape.window,
        "flops_per_step": 6 * tokens * (matrices + attention),
        "matmul_flops_per_second": matmul_rate(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def matmul_rate() -> float:
    """Operations a second of this machine's matrix product: float32, or bf16 on a GPU."""
    size = 8192 if GPU else 1024
    a, b = torch.randn(2, size, size, device=DEVICE, dtype=torch.bfloat16 if GPU else torch.float32)
    seconds = []
    for _ in range(10):
        began = time.perf_counter()
        torch.mm(a, b)
        if GPU:
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - began)
    return 2 * size**3 / median(seconds)


def _make_stream(shape: Shape) -> tuple[Stream, int]:
    words = tokenizer.make_word_tokenizer(corpus.vocabulary_texts(shape.dataset))
    codes = people.draw_all_people(shape.dataset, 0).to(DEVICE)
    return Stream(make_source(shape.dataset, 0, codes), words), words.get_vocab_size()


def _train_with_trainer(
    shape: Shape, stream: Stream, vocabulary: int, clock: Clock, lrs: list[float] | None = None
) -> list[float]:
    """Train as many steps as the clock counts. lrs: the rates to take, for which the losses are returned."""
    from transformers import AutoModelForCausalLM, Trainer, TrainerCallback, TrainingArguments

    run, recipe = shape.run, shape.run.recipe
    windows = Windows(stream, recipe.exposures, recipe.batch_size, recipe.window)
    rows: list[dict[str, Tensor]] = []
    while len(rows) < clock.last * recipe.batch_size and (batch := windows.next()):
        rows += [
            {"input_ids": inputs, "labels": inputs, "shift_labels": targets}
            for inputs, targets in zip(*(part.cpu() for part in batch), strict=True)  # as a loader has them
        ]

    class Ticking(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            clock.tick()

    with tempfile.TemporaryDirectory() as folder:
        store.write_model(
            Path(folder), build_model(run.architecture, vocabulary, recipe.window, 0), run, stream.end_token
        )
        model = AutoModelForCausalLM.from_pretrained(folder)
        groups = [
            {"params": [p for p in model.parameters() if p.dim() > 1], "weight_decay": recipe.weight_decay},
            {"params": [p for p in model.parameters() if p.dim() <= 1], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=1.0, betas=recipe.betas, eps=recipe.eps, fused=True)

        def rate(step: int) -> float:
            if lrs:
                return lrs[min(step, len(lrs) - 1)]
            return learning_rate(step, 10_000, recipe.lr, recipe.warmup_steps)

        arguments = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=recipe.batch_size,
            max_steps=clock.last,
            max_grad_norm=0,
            logging_steps=1 if lrs else 10_000_000,
            logging_nan_inf_filter=False,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            remove_unused_columns=False,
            use_cpu=not GPU,
            bf16=GPU,
        )
        inner = Trainer(
            model=model,
            args=arguments,
            train_dataset=_OrderedWindows(rows),
            callbacks=[Ticking()],
            optimizers=(optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, rate)),
        )
        inner.train()
    return [entry["loss"] for entry in inner.state.log_history if "loss" in entry]


class _OrderedWindows(torch.utils.data.IterableDataset[dict[str, Tensor]]):
    """Windows in the order of the stream."""

    def __init__(self, rows: list[dict[str, Tensor]]) -> None:
        self.rows = rows

    def __iter__(self) -> Any:
        return iter(self.rows)


def _peak_memory() -> int:
    """The most memory that this process has had so far, in bytes: of the GPU where there is one."""
    if GPU:
        return torch.cuda.max_memory_allocated()
    return peak_memory_bytes()
