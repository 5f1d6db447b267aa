"""Training steps of a decoder in C++ (models/native_decoder.py); checkpoints find AdamW's state as torch keeps it."""

import time
from collections.abc import Sequence
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

from ..models.decoder import Decoder
from ..models.native_decoder import NativeDecoder, is_supported_decoder
from ..specs import Recipe
from .step import Precision

# of the steps that are made without a look at anything else, at most
CALL_SECONDS, CALL_TOKENS = 0.25, 1 << 18
MOMENTS = ("exp_avg", "exp_avg_sq")


def has_native_step(
    model: nn.Module, recipe: Recipe, precision: Precision, n_processes: int
) -> TypeGuard[Decoder]:
    """Whether NativeStep trains this model by this recipe; else `step.Step` does."""
    plain = recipe.optimizer == "adamw" and not recipe.qat and not recipe.text_mask
    return plain and precision == "fp32" and n_processes == 1 and is_supported_decoder(model)


class Moments:
    """AdamW's state, as torch's optimiser would hold it; that one takes a second to import what it needs."""

    def __init__(self, parameters: list[nn.Parameter]) -> None:
        self.param_groups: list[dict[str, Any]] = [{"params": parameters}]
        self.state: dict[nn.Parameter, dict[str, Tensor]] = {}


class NativeStep:
    """Forward, backward and update of several batches at a time; `optimizers`, `scaler` and `sums` as of `step.Step`.

    ahead: how many batches are wanted at a time, so that a call takes about CALL_SECONDS.
    """

    engine, scaler = "native", None

    def __init__(self, model: Decoder, recipe: Recipe) -> None:
        self._model, self._recipe = model, recipe
        self.optimizers = [Moments(list(model.parameters()))]
        self.sums = torch.zeros(3, dtype=torch.float64)
        self._decoder: NativeDecoder | None = None
        self._count = torch.zeros(1)
        self.ahead = 1

    def __call__(self, inputs: Tensor, targets: Tensor, rates: Sequence[float]) -> None:
        """Train on batches, int64 (steps, batch, window) each, with a learning rate for each step."""
        if self._decoder is None:
            self._decoder = self._open()
        recipe, began = self._recipe, time.perf_counter()
        losses = self._decoder.train(
            inputs,
            targets,
            rates,
            count=int(self._count[0]),
            betas=recipe.betas,
            epsilon=recipe.eps,
            weight_decay=recipe.weight_decay,
        )
        seconds = (time.perf_counter() - began) / len(rates)
        self.ahead = max(1, min(int(CALL_SECONDS / seconds), CALL_TOKENS // targets[0].numel()))
        self._count += len(rates)
        for loss in losses:  # one after the other, so that it does not matter how many come together
            self.sums[0] += loss

    def _open(self) -> NativeDecoder:
        """The decoder with the state of the optimiser, which a checkpoint may have filled; empty, it is made."""
        (adamw,) = self.optimizers
        parameters = dict(self._model.named_parameters())
        states = {name: adamw.state.setdefault(p, {}) for name, p in parameters.items()}
        for name, state in states.items():
            if not state:
                state |= {
                    "step": torch.zeros(()),
                    **{key: torch.zeros_like(parameters[name]) for key in MOMENTS},
                }
        self._count = torch.stack([state["step"] for state in states.values()])
        for state, count in zip(states.values(), self._count.unbind(), strict=True):
            state["step"] = count
        means, squares = ({name: state[key] for name, state in states.items()} for key in MOMENTS)
        return NativeDecoder(self._model, means, squares)
