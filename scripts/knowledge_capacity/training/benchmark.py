"""How fast training is, beside transformers' Trainer on the GPT-NeoX class of the same shape.

Both start from the same weights and see the same windows, and both are AdamW with the same schedule; that
their losses agree is measured too. Each is timed in a process of its own, so that its memory is its own, ours
with the real stream and loop of the study. The floor is the time that the matrix products alone would take.
"""

import itertools
import math
import platform
import resource
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor

from ..data import corpus, people, tokenizer
from ..data.stream import Stream, source_of
from ..data.windows import Windows
from ..models import store
from ..models.build import build, n_parameters
from ..specs import Architecture, BioS, Dataset, Pools, Recipe, Run
from .loop import Stopped, train
from .optimizers import BETAS, EPS
from .schedule import learning_rate

TINY = BioS(300, Pools(16, 16, 32, 16, 16, 16, 16, 16), templates=1)  # that of config.yaml
FULL = BioS(10_000)
ALIKE = 40  # steps whose losses are compared
WARM = 5  # steps that are not timed


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


# from 10 thousand parameters to a million; the last is GPT2-2-2 at the batch of the paper
SHAPES = [
    Shape(Architecture(2, 1, 16), TINY, batch_size=16, window=64, steps=400),
    Shape(Architecture(2, 1, 32), TINY, batch_size=16, window=128, steps=200),
    Shape(Architecture(2, 1, 64), TINY, batch_size=16, window=256, steps=60),
    Shape(Architecture(4, 2, 64), FULL, batch_size=24, window=128, steps=40),
    Shape(Architecture(2, 2, 128), FULL, batch_size=24, window=512, steps=12),
]


def ours(shape: Shape, threads: int) -> dict[str, Any]:
    """Median seconds a step of the study's loop, and what it cost."""
    torch.set_num_threads(threads)
    stream, vocabulary, before = *_stream(shape), _resident()
    ended: list[float] = []
    device = "cuda" if torch.cuda.is_available() else "cpu"

    def stop() -> bool:
        if device == "cuda":
            torch.cuda.synchronize()
        ended.append(time.perf_counter())
        return len(ended) == WARM + shape.steps

    with tempfile.TemporaryDirectory() as folder, suppress(Stopped):
        train(shape.run, stream, vocabulary, Path(folder) / "checkpoint", "", math.inf, device, stop=stop)
    return {"seconds": _middle(ended), "peak_bytes": _resident(), "peak_bytes_before": before}


def trainer(shape: Shape, threads: int) -> dict[str, Any]:
    """The same of Trainer: windows from memory, its own loader, no clipping, nothing logged or saved."""
    torch.set_num_threads(threads)
    stream, vocabulary, before = *_stream(shape), _resident()
    ended, _ = _train_with_trainer(shape, stream, vocabulary, WARM + shape.steps)
    return {"seconds": _middle(ended), "peak_bytes": _resident(), "peak_bytes_before": before}


def both(shape: Shape, threads: int) -> dict[str, Any]:
    """How far the two losses lie apart, at most, over the first steps, and how far they fell."""
    torch.set_num_threads(threads)
    stream, vocabulary = _stream(shape)
    tokens = ALIKE * shape.batch_size * shape.window
    exposures = max(1, int(tokens / stream.mean_length() / shape.dataset.n_people))
    shape = replace(shape, steps=ALIKE)
    run = replace(shape.run, recipe=replace(shape.run.recipe, exposures=exposures))
    with tempfile.TemporaryDirectory() as folder:
        log = train(run, stream, vocabulary, Path(folder) / "checkpoint", "", math.inf).log
    losses = [point["loss"] for point in log[:-1]][
        :ALIKE
    ]  # not the last, partial batch: Trainer counts it whole
    assert [point["step"] for point in log[: len(losses)]] == list(range(1, len(losses) + 1))
    _, theirs = _train_with_trainer(shape, stream, vocabulary, len(losses), [point["lr"] for point in log])
    apart = max(abs(a - b) / b for a, b in zip(losses, theirs, strict=True))
    return {"losses_apart": apart, "loss_first": losses[0], "loss_last": losses[-1], "compared": len(losses)}


def facts(shape: Shape, threads: int) -> dict[str, Any]:
    """What is trained, the operations of its matrix products, and this machine's rate of those."""
    torch.set_num_threads(threads)
    a, (_, vocabulary) = shape.architecture, _stream(shape)
    model = build(a, vocabulary, shape.window, 0)
    tokens = shape.batch_size * shape.window
    matrices = sum(p.numel() for name, p in model.named_parameters() if p.dim() == 2)
    # forward and backward are three products of two operations each; attention sees half the window
    attention = 2 * a.layers * a.width * shape.window / 2
    return {
        "architecture": a.slug,
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
    """Operations a second of this machine's float32 matrix product, at a size that suits it."""
    a, b = torch.randn(2, 1024, 1024)
    seconds = []
    for _ in range(10):
        began = time.perf_counter()
        torch.mm(a, b)
        seconds.append(time.perf_counter() - began)
    return 2 * 1024**3 / median(seconds)


def _stream(shape: Shape) -> tuple[Stream, int]:
    words = tokenizer.word_level(corpus.texts(shape.dataset))
    codes = people.table(shape.dataset, 0)
    return Stream(source_of(shape.dataset, 0, codes), words), words.get_vocab_size()


def _train_with_trainer(
    shape: Shape, stream: Stream, vocabulary: int, steps: int, lrs: list[float] | None = None
) -> tuple[list[float], list[float]]:
    """When each step of Trainer ended, and its loss. lrs: the rates to take; without, those of the run."""
    from transformers import AutoModelForCausalLM, Trainer, TrainerCallback, TrainingArguments

    run, recipe = shape.run, shape.run.recipe
    windows = Windows(stream, recipe.exposures, recipe.batch_size, recipe.window)
    rows: list[dict[str, Tensor]] = []
    while len(rows) < steps * recipe.batch_size and (batch := windows.next()):
        rows += [
            {"input_ids": inputs, "labels": inputs, "shift_labels": targets}
            for inputs, targets in zip(*batch, strict=True)
        ]
    ended: list[float] = []

    class Clock(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            ended.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        store.write(
            Path(folder), build(run.architecture, vocabulary, recipe.window, 0), run, stream.end_token
        )
        model = AutoModelForCausalLM.from_pretrained(folder)
        groups = [
            {"params": [p for p in model.parameters() if p.dim() > 1], "weight_decay": recipe.weight_decay},
            {"params": [p for p in model.parameters() if p.dim() <= 1], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=1.0, betas=BETAS, eps=EPS, fused=True)

        def rate(step: int) -> float:
            if lrs:
                return lrs[min(step, len(lrs) - 1)]
            return learning_rate(step, 10_000, recipe.lr, recipe.warmup_steps)

        arguments = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=recipe.batch_size,
            max_steps=steps,
            max_grad_norm=0,
            logging_steps=1 if lrs else 10_000_000,
            logging_nan_inf_filter=False,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            remove_unused_columns=False,
            use_cpu=not torch.cuda.is_available(),
            bf16=torch.cuda.is_available(),
        )
        inner = Trainer(
            model=model,
            args=arguments,
            train_dataset=_InOrder(rows),
            callbacks=[Clock()],
            optimizers=(optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, rate)),
        )
        inner.train()
    return ended, [entry["loss"] for entry in inner.state.log_history if "loss" in entry]


class _InOrder(torch.utils.data.IterableDataset[dict[str, Tensor]]):
    """Windows in the order of the stream."""

    def __init__(self, rows: list[dict[str, Tensor]]) -> None:
        self.rows = rows

    def __iter__(self) -> Any:
        return iter(self.rows)


def _middle(ended: list[float]) -> float:
    """The median time between one step's end and the next, without the first few."""
    return median(b - a for a, b in itertools.pairwise(ended[WARM - 1 :]))


def _resident() -> int:
    """The most memory that this process has had so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if platform.system() == "Darwin" else 1024)
