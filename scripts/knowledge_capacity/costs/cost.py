"""What training costs: seconds of a run from its updates, tokens and operations, learned from runs that were made.

seconds = per_layer_step · updates · (1 + layers) + per_token · tokens + per_flop · operations, with 6 · parameters
operations a token: the time that an update takes whatever its size, that which grows with its tokens (the stream,
norms, the loss), and matrix products. The three are fitted to past runs or to timings of one kind of device, none below
zero, by least squares of relative errors.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import nnls

from ..files import UserError, write_json
from ..measurements import filters
from ..measurements.measurement_table import BUSY
from .rates import CPU, GPU, LAYERS, DeviceUsage, Rates, TrainingWork

LEAST_SECONDS = 2.0  # of training: what a shorter run took says more about its start
SPREAD = 0.1  # where no run can be left out
TABLES = (Path("results/measurements.parquet"), Path("results/published/measurements.parquet"))
PROBED = Path("results/benchmarks/probe.json")  # by make budget OPTIONS=--probe, on a processor
STACKED = Path("results/benchmarks/stacks.json")  # by scripts/commands/benchmark.py stacks, on a GPU

UNTIMED = (
    "This rests on timings of another machine; to time this one, in a minute: make budget OPTIONS=--probe"
)


@dataclass(frozen=True)
class Timing:
    """What a step of one run took, in seconds."""

    layers: int
    n_parameters: int
    batch_size: int
    window: int
    seconds: float

    @property
    def work(self) -> TrainingWork:
        """Of the step."""
        tokens = self.batch_size * self.window
        return TrainingWork(1.0 + self.layers, tokens, 6.0 * self.n_parameters * tokens)


# Alone on the GPU, bf16, captured steps (docs/speed.md). The third on an H200, which has the same processor.
_H100 = [
    Timing(1, 281_408, 24, 512, 0.661e-3),
    Timing(2, 859_392, 24, 512, 1.066e-3),
    Timing(4, 431_360, 16, 512, 1.20e-3),
    Timing(8, 7_241_216, 96, 512, 18.90e-3),
]


def device_rates(device: str | None) -> Rates:
    """The rates of an H100, of a processor by measurements, or of this machine by what was timed on it.

    Raises UserError where nothing tells them.
    """
    if device and device.lower() == "h100":
        return h100_rates()
    if device is None and (found := local_rates()):
        return found
    tables = [filters.read_selected_measurements(file) for file in TABLES if file.is_file()]
    if not tables or (device is None and _gpu_name()):
        raise UserError(
            "nothing says what training costs here. Time this machine first: make budget OPTIONS=--probe."
        )
    return measured_rates(pd.concat(tables), device)


def local_rates(stacks: Path = STACKED) -> Rates | None:
    """The rates of this machine by what was timed on it; None where nothing was, or on another GPU.

    stacks: the file of timings of stacks, of a GPU.
    """
    if gpu := _gpu_name():
        found = json.loads(stacks.read_text(encoding="utf-8")) if stacks.is_file() else []
        here = [one for one in found if one["device"] == gpu]
        return stack_rates(here) if here else None
    if not PROBED.is_file():
        return None
    probed = json.loads(PROBED.read_text(encoding="utf-8"))
    return timed_rates(probed["device"], [Timing(**one) for one in probed["timings"]], CPU)


def _gpu_name() -> str | None:
    """The name of this machine's GPU; None where there is none."""
    import torch  # only here: the scorecard asks what processors cost, and has no need of it

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def stack_rates(found: Sequence[Mapping[str, Any]]) -> Rates:
    """The rates of a GPU by its steps of one run and of stacks: those of an H100, layers so many times as slow as there
    and tokens and operations so many times, by least squares. found: of benchmarks.stacks, on one device.
    """
    h100 = h100_rates()
    there, took = [], []
    for one in found:
        work = Timing(one["layers"], one["n_parameters"], one["batch_size"], one["window"], 0.0).work
        for size, speed in ((1, one["tokens_per_second"]), (one["size"], one["tokens_per_second_of_all"])):
            there.append([h100.per_layer_step * work.layer_steps, size * h100.arithmetic(work)])
            took.append(size * work.tokens / speed)
    layers, arithmetic = map(float, _least_squares(np.array(there), np.array(took)))
    return replace(
        h100,
        device=found[0]["device"],
        per_layer_step=layers * h100.per_layer_step,
        per_token=arithmetic * h100.per_token,
        per_flop=arithmetic * h100.per_flop,
        runs=h100.runs + 2 * len(found),
    )


def keep_timings(device: str, timings: Sequence[Timing]) -> None:
    """Write what was timed on a processor."""
    write_json(PROBED, {"device": device, "timings": [asdict(one) for one in timings]})


def measured_rates(table: pd.DataFrame, device: str | None = None) -> Rates:
    """The rates of a processor by measurements, the commonest one where none is named.

    Those of GPUs do not tell how many runs shared their steps. Those of busy machines are left out. table:
    measurements, of whole runs. device: its name there, or a part of it. Raises UserError where too few runs tell
    them.
    """
    own = table[table.device.str.startswith("cpu") & ~table.device.str.endswith(BUSY)]
    known = dict(list(own.groupby("device")))
    fits = [name for name in known if device is None or device.lower() in name.lower()]
    if not fits:
        names = ", ".join(sorted(known)) or "none"
        raise UserError(f"--device {device}: no run was measured on such a processor. There are: {names}.")
    name = max(fits, key=lambda one: known[one].run.nunique())
    runs = known[name].drop_duplicates("run")
    runs = runs[runs.engine == runs.engine.mode().iloc[0]]  # native steps and those of torch have other rates
    runs = runs[(runs.train_seconds >= LEAST_SECONDS) & runs.diverged.isna()]
    layer_steps = runs.train_steps * (1 + runs.layers.fillna(LAYERS))
    works = list(map(TrainingWork, layer_steps, runs.train_tokens, runs.train_flops))
    return fit_rates(name, works, runs.train_seconds.tolist(), CPU)


def h100_rates() -> Rates:
    """An H100's."""
    return timed_rates("NVIDIA H100", _H100, GPU)


def timed_rates(device: str, timings: Sequence[Timing], habit: DeviceUsage) -> Rates:
    """The rates that fit what steps took. Raises UserError for fewer than three."""
    return fit_rates(device, [one.work for one in timings], [one.seconds for one in timings], habit)


def fit_rates(
    device: str, works: Sequence[TrainingWork], seconds: Sequence[float], habit: DeviceUsage
) -> Rates:
    """The rates that fit what work took. Raises UserError for fewer than three."""
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
