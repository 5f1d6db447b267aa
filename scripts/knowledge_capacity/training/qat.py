"""Quantisation-aware training: the loss sees each matrix as a quantizer stores it, the optimiser as it is.

The gradient goes straight through the rounding (Bengio et al. 2013, arXiv 1308.3432), to weights in float32.
"""

import importlib
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ..files import UserError
from ..models import store
from ..specs import Quantizer

# by name, and so no part of the fingerprint of all training: editing them retrains the runs with qat alone
rtn = importlib.import_module("knowledge_capacity.quantization.rtn")
variants = importlib.import_module("knowledge_capacity.quantization.variants")


class QuantizedLoss(nn.Module):
    """A model's loss with its matrices as they read back from a quantizer's codes.

    The parameters stay those of the model, in float32: what optimisers, checkpoints and DDP hold.
    """

    def __init__(self, loss_of: nn.Module, quantizer: Quantizer) -> None:
        """loss_of: has the model as its `model`."""
        super().__init__()
        self.loss_of, self._quantizer = loss_of, quantizer
        # compilers leave out the way by float16 that rounds scales; said here, since it takes a second to say
        self._read_back = torch.compiler.disable(fake_quantize_matrices)
        model: Any = loss_of.model
        own = dict(model.named_parameters())
        # matrices with rows of one length are rounded together: a small model is spared most of the calls
        self._together: dict[int, dict[str, nn.Parameter]] = {}
        for name in stored_matrices(model, quantizer):
            self._together.setdefault(own[name].shape[-1], {})[f"model.{name}"] = own[name]

    def forward(self, inputs: Tensor, targets: Tensor) -> Any:
        seen: dict[str, Tensor] = {}
        for alike in self._together.values():
            stored = self._read_back(list(alike.values()), self._quantizer)
            for (name, weight), value in zip(alike.items(), stored, strict=True):
                seen[name] = value + (weight - weight.detach())  # exactly `value`, with a gradient of one
        return functional_call(self.loss_of, seen, (inputs, targets))


def stored_matrices(model: nn.Module, quantizer: Quantizer) -> list[str]:
    """The names of the parameters that a quantizer stores. Raises UserError for a model without any."""
    chosen = set(variants.quantizable_names(*store.saved_weights(model), quantizer.matrices))
    parameters = model.named_parameters()
    found = [name for name, p in parameters if chosen & store.export_weight(model, name, p).keys()]
    if not found:
        raise UserError("qat: this model has no matrices to quantise. Train it with a recipe without qat.")
    return found


@torch.no_grad()
def fake_quantize_matrices(weights: list[Tensor], quantizer: Quantizer) -> list[Tensor]:
    """Matrices as they read back from their codes; of (experts, rows, columns), each expert's.

    All have rows of one length, and no scale is shared between rows, so they are rounded as one matrix and
    the layout in which they are saved, with rows in another order or apart, makes no difference.
    """
    rows = [weight.flatten(0, -2) for weight in weights]
    stored = rtn.fake_quantize_matrix(torch.cat(rows), quantizer)
    parts = stored.split([len(part) for part in rows])
    return [part.view_as(weight) for part, weight in zip(parts, weights, strict=True)]


@torch.no_grad()
def apply_quantization(model: nn.Module, quantizer: Quantizer) -> None:
    """Give a trained model the weights that its loss has seen.

    Storing these then changes nothing; but with a zero point one group in a thousand (of 8 bits, in fifty),
    both ends of which just miss a code, moves once more, by less than a step.
    """
    own = dict(model.named_parameters())
    for name in stored_matrices(model, quantizer):
        own[name].copy_(fake_quantize_matrices([own[name]], quantizer)[0])
