"""What training costs: seconds of a run from its updates, tokens and operations, learned from runs that were made.

seconds = per_layer_step · updates · (1 + layers) + per_token · tokens + per_flop · operations, with 6 · parameters
operations a token: the time that an update takes whatever its size, that which grows with its tokens (the stream,
norms, the loss), and matrix products. The three are fitted to past runs of one kind of device, none below zero, by
least squares of relative errors.
"""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.optimize import nnls

from ..files import UserError
from .rates import CPU, GPU, LAYERS, Habit, Rates, Work

LEAST_SECONDS = 2.0  # of training: what a shorter run took says more about its start
SPREAD = 0.1  # where no run can be left out


# Alone on the GPU, bf16, captured steps (docs/speed.md): GPT2-1-1 and 2-2 at 24 windows of 512 tokens, 4-1 at 16 (on an
# H200, of the same processor), 8-4 at 96
_H100 = [
    (0.661e-3, 24 * 512, 281_408, 1),
    (1.066e-3, 24 * 512, 859_392, 2),
    (1.20e-3, 16 * 512, 431_360, 4),
    (18.90e-3, 96 * 512, 7_241_216, 8),
]


def measured(table: pd.DataFrame, device: str | None = None) -> Rates:
    """The rates of a device by measurements, the commonest device where none is named.

    table: measurements, of whole runs. device: its name there, or a part of it. Raises UserError where too few runs
    tell them.
    """
    known = {name: group for name, group in table.groupby("device")}
    fits = [name for name in known if device is None or device.lower() in name.lower()]
    if not fits:
        names = ", ".join(sorted(known)) or "none"
        raise UserError(f"--device {device}: no run was measured on it. There are: {names}.")
    name = max(fits, key=lambda one: known[one].run.nunique())
    runs = known[name].drop_duplicates("run")
    runs = runs[(runs.train_seconds >= LEAST_SECONDS) & runs.diverged.isna()]
    layer_steps = runs.train_steps * (1 + runs.layers.fillna(LAYERS))
    works = list(map(Work, layer_steps, runs.train_tokens, runs.train_flops))
    return fitted(name, works, runs.train_seconds.tolist(), CPU if name.startswith("cpu") else GPU)


def h100() -> Rates:
    """An H100's, of one run at a time."""
    works = [Work(1.0 + layers, tokens, 6.0 * size * tokens) for _, tokens, size, layers in _H100]
    return fitted("NVIDIA H100", works, [seconds for seconds, *_ in _H100], GPU)


def fitted(device: str, works: Sequence[Work], seconds: Sequence[float], habit: Habit) -> Rates:
    """The rates that fit what runs took. Raises UserError for fewer than three runs."""
    if len(works) < 3:
        raise UserError(
            f"{device}: {len(works)} runs are too few to learn from what training costs, which takes 3 of "
            f"{LEAST_SECONDS:g} seconds or more. Measure some: make budget OPTIONS=--probe."
        )
    features = np.array([[w.layer_steps, w.tokens, w.flops] for w in works])
    took = np.array(seconds)
    rates = _least_squares(features, took)
    errors = []
    for i in range(len(took)) if len(took) > 3 else ():
        others = np.arange(len(took)) != i
        predicted = float(features[i] @ _least_squares(features[others], took[others]))
        errors.append(math.log(took[i] / predicted) if predicted > 0 else 0.0)
    spread = float(np.sqrt(np.mean(np.square(errors)))) if errors else SPREAD
    per_layer_step, per_token, per_flop = (float(rate) for rate in rates)
    return Rates(device, per_layer_step, per_token, per_flop, spread, len(took), habit)


def _least_squares(features: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    scale = features.max(axis=0)
    rates, _ = nnls(features / scale / seconds[:, None], np.ones(len(seconds)))
    return np.asarray(rates / scale)
