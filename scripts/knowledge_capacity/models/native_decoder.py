"""Gradients and training steps of a decoder in C++ (native/decoder.h), where its shape and the machine allow it."""

import ctypes
import weakref
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

import torch
from torch import Tensor

from . import native
from .decoder import NORM_EPS, Decoder

IGNORED = -100  # the target that a loss leaves out (torch's default `ignore_index`)


def is_supported_decoder(model: torch.nn.Module) -> TypeGuard[Decoder]:
    """Whether the C++ makes the steps of this model: a decoder without experts, in float32 on a processor."""
    if not isinstance(model, Decoder) or model.architecture.parts.experts:
        return False
    return all(native.is_supported(parameter) for parameter in model.parameters())


class NativeDecoder:
    """A decoder whose gradients and updates are made in C++, in place, from token ids on.

    Parameters, moments and gradients stay the tensors they are; whoever replaces one makes a new NativeDecoder.
    """

    def __init__(
        self,
        model: Decoder,
        means: Mapping[str, Tensor] | None = None,
        squares: Mapping[str, Tensor] | None = None,
    ) -> None:
        """means, squares: AdamW's moments by the name of the parameter; without them, gradients alone are made."""
        values: dict[str, Tensor] = dict(model.named_parameters())
        self._model, self.gradients = model, {}
        if means is None or squares is None:
            self.gradients = {name: torch.empty_like(value) for name, value in values.items()}
        self._kept = {
            "value": values,
            "gradient": self.gradients,
            "mean": means or {},
            "square": squares or {},
        }
        a = model.architecture
        shape = native.structure_type("Shape")(
            layers=a.layers,
            width=a.width,
            heads=a.heads,
            groups=a.groups,
            head_width=a.head_width,
            rotated=a.rotary,
            inner=a.inner_width,
            gated=a.parts.mlp == "gated",
            silu=a.parts.activation == "silu",
            vocabulary=len(model.embedding.weight),
            epsilon=NORM_EPS,
        )
        parameters = self._structure("ModelParameters", "")
        layers = (native.structure_type("LayerParameters") * a.layers)(
            *(self._structure("LayerParameters", f"layers.{i}.") for i in range(a.layers))
        )
        handle = native.call_kernel(
            "open_decoder",
            shape=structure_address(shape),
            parameters=structure_address(parameters),
            layers=structure_address(layers),
        )
        self._handle = handle
        weakref.finalize(self, native.call_kernel, "close_decoder", decoder=handle)

    def _structure(self, kind: str, prefix: str) -> ctypes.Structure:
        """The addresses of the parameters whose names begin so: those of the structure's fields, none left over."""
        found: Any = native.structure_type(kind)()
        own = {
            name.removeprefix(prefix).replace(".", "_"): name
            for name in self._kept["value"]
            if name.startswith(prefix) and name.startswith("layers.") == bool(prefix)
        }
        for field, _ in found._fields_:
            if name := own.pop(field, None):
                tensors = {what: named[name] for what, named in self._kept.items() if name in named}
                assert all(x.is_contiguous() and x.dtype == torch.float32 for x in tensors.values()), name
                addresses = {what: x.data_ptr() for what, x in tensors.items()}
                setattr(found, field, native.structure_type("Parameter")(**addresses))
        assert not own, f"parameters that the C++ does not know: {', '.join(own.values())}"
        return found

    def train(
        self,
        inputs: Tensor,
        targets: Tensor,
        rates: Sequence[float],
        count: int,
        betas: tuple[float, float],
        epsilon: float,
        weight_decay: float,
    ) -> Tensor:
        """Updates by AdamW, whose weight decay is for matrices; the mean losses, float64 (steps,), in nats a token.

        inputs, targets: int64 (steps, batch, window). rates: of each step. count: of the updates before.
        Raises IndexError for what is no token.
        """
        rule = native.structure_type("AdamW")(*betas, epsilon, weight_decay, 1)
        return self._run(inputs, targets, rule, rates, count)

    def differentiate(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Put the gradients of the mean loss into `gradients`, by name; the loss, float64 (1,), in nats a token.

        inputs, targets: int64 (batch, window). Raises IndexError for what is no token.
        """
        rule = native.structure_type("AdamW")(update=0)
        return self._run(inputs[None], targets[None], rule, [0.0], 0)

    def _run(
        self, inputs: Tensor, targets: Tensor, rule: ctypes.Structure, rates: Sequence[float], count: int
    ) -> Tensor:
        steps, batch, window = inputs.shape
        losses = torch.empty(steps, dtype=torch.float64)
        cos, sin = self._model.get_buffer("cos"), self._model.get_buffer("sin")
        assert len(cos) >= window
        wrong = native.call_kernel(
            "train_decoder",
            decoder=self._handle,
            rule=structure_address(rule),
            inputs=inputs.contiguous(),
            targets=targets.contiguous(),
            rates=torch.tensor(rates, dtype=torch.float64),
            cos=cos,
            sin=sin,
            losses=losses,
            steps=steps,
            batch=batch,
            window=window,
            count=count,
            ignored=IGNORED,
        )
        if wrong:
            size = len(self._kept["value"]["embedding.weight"])
            raise IndexError(f"{wrong} inputs or targets are not at least 0 and below {size}")
        return losses


def structure_address(structure: ctypes.Structure | ctypes.Array[ctypes.Structure]) -> int:
    """Where a structure lies in memory."""
    return ctypes.addressof(structure)
