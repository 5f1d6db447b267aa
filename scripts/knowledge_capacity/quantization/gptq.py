"""GPTQ (Frantar et al. 2022), as llmcompressor has it: codes by which a layer's outputs change least.

It rounds the columns of a matrix one after the other, and each time moves those still to come against the
error that this makes on calibration data. Layers follow each other, each on what it reads from the quantised
ones before. Scales are those of the least error among ranges up to 80 % narrower than the weights', which is
what leaves anything at 2 and 3 bits. Embeddings and head, where they are asked for, are rounded to nearest.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

from ..files import UserError
from ..models import store
from ..models.decoder import Decoder
from ..models.experts import Mixture
from ..models.loss import logits
from ..quiet import suppress_warnings
from ..specs import Quantizer
from . import gptq_data, grid, rtn, variants

os.environ.setdefault("LLM_COMPRESSOR_LOG_DISABLED", "true")
with suppress_warnings():
    from compressed_tensors.quantization import QuantizationArgs  # type: ignore[import-untyped]
    from llmcompressor.modifiers.gptq.gptq_quantize import quantize_weight
    from llmcompressor.observers import Observer

OBSERVER = "memoryless_mse"
NARROWEST = 0.8  # by how much of itself a range may shrink
DAMPENING = 0.01  # of the mean of the Hessian's diagonal, llmcompressor's default


@dataclass
class Site:
    """Matrices that have inputs of their own: one of a linear layer, or those of all experts of a mixture.

    module: is called with the inputs. weight: (out, in), or (experts, out, in). hessian: (experts, in, in),
    with one expert for a linear layer; None until it is called.
    """

    name: str
    module: nn.Module
    weight: Tensor
    hessian: Tensor | None = None

    def see(self, _: nn.Module, inputs: tuple[Any, ...]) -> None:
        """Add inputs to the Hessian; as a forward hook."""
        x = inputs[0].detach().float()
        x = x if self.weight.dim() == 3 else x.reshape(1, -1, x.shape[-1])
        seen = x.transpose(1, 2) @ x
        self.hessian = seen if self.hessian is None else self.hessian + seen


def quantize_model(
    source: variants.CalibrationSource,
    names: list[str],
    quantizer: Quantizer,
    say: Callable[[str], None],
    warn: Callable[[str], None],
) -> dict[str, Tensor]:
    """The matrices of these names as they read back. warn: is told which of them are rounded to nearest instead.

    Raises UserError where the model holds them in other ways than as linear layers or the study's experts.
    """
    model, stream = gptq_data.load_model_and_stream(source)
    window = source.run.recipe.window
    by_gptq = set(names) - store.saved_weights(model)[1]  # the others are embeddings and head
    found = find_sites(model, by_gptq)
    batches = gptq_data.calibration_batches(stream, quantizer, window, say)
    quantize_sites(model.to(source.device), found, batches, quantizer, warn)
    weights = store.saved_weights(model.cpu())[0]
    nearest = replace(quantizer, method="rtn")
    return {
        name: weights[name] if name in by_gptq else rtn.quantize_matrix(weights[name], nearest)[0]
        for name in names
    }


def find_sites(model: nn.Module, names: set[str]) -> list[Site]:
    """Where the matrices of these (saved) names are multiplied, in the order of the model's modules."""
    found = []
    if isinstance(model, Decoder):
        for name, module in model.layers.named_modules():
            if isinstance(module, nn.Linear) and not name.endswith("router"):
                found.append(Site(name, module, module.weight))
            elif isinstance(module, Mixture):
                found.append(Site(f"{name}.inner", module.inner_product, module.inner))
                found.append(Site(f"{name}.outer", module.outer_product, module.outer))
        return found
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and f"{name}.weight" in names:
            found.append(Site(name, module, module.weight))
    if missing := names - {f"{site.name}.weight" for site in found}:
        raise UserError(
            f"gptq needs the inputs of every matrix and sees only those of nn.Linear: {min(missing)} belongs "
            "to something else. Use rtn or hqq with this model, or build it from nn.Linear."
        )
    return found


@torch.no_grad()
def quantize_sites(
    model: nn.Module,
    found: list[Site],
    batches: list[Tensor],
    quantizer: Quantizer,
    warn: Callable[[str], None] = lambda line: None,
) -> None:
    """Quantise the sites' weights in place, those of one layer at a time.

    batches: tokens (batch, window) each. warn: is told which matrices are rounded to nearest instead. Raises
    UserError for a module that the model never calls on them.
    """
    device = next(model.parameters()).device
    for _, layer in groupby(found, key=lambda site: _layer_name(site.name)):
        these = list(layer)
        with _watch_inputs(these):
            for batch in batches:
                logits(model, batch.to(device).long())
        for site in these:
            if site.hessian is None:
                raise UserError(
                    f"gptq: {site.name} was not called on the calibration data, so its inputs are unknown. "
                    "Raise calibration_people, let the model call its modules, or use rtn or hqq."
                )
            weight = site.weight if site.weight.dim() == 3 else site.weight[None]
            told = partial(_warn_about_site, warn, site.name)
            site.weight.copy_(quantize_stack(weight, site.hessian, quantizer, told).view_as(site.weight))
            site.hessian = None


def quantize_stack(
    weight: Tensor, hessian: Tensor, quantizer: Quantizer, warn: Callable[[str], None] = lambda line: None
) -> Tensor:
    """Matrices (experts, out, in) as they read back. hessian: Σ x·xᵀ of their inputs, (experts, in, in).

    An input that is always zero, as all of an expert that no token reaches, leaves its weights to be rounded
    to nearest; the library would make them zero. So does a Hessian that cannot be inverted. warn: is told of
    matrices of which all are rounded to nearest.
    """
    unreached = (hessian == 0).all(dim=2).all(dim=1)
    diagonal = hessian.diagonal(dim1=1, dim2=2)
    mean = diagonal.mean(dim=1, keepdim=True).expand_as(diagonal)
    hessian = hessian + torch.diag_embed(torch.where(diagonal > 0, 0.0, mean.where(mean > 0, 1.0)))
    scale, zero = _scales_and_zeros(weight, quantizer)
    arguments = _quantization_arguments(
        quantizer, "group", group_size=quantizer.group_size or weight.shape[2]
    )
    library: Any = quantize_weight  # its signature says less than it returns
    found, _, not_inverted = library(
        weight.detach().float().clone(), hessian, scale, zero, None, arguments, percdamp=DAMPENING
    )
    if unreached.any():
        warn(f"{_n_of(unreached)} met no calibration token that is not zero")
    if (lost := not_inverted.to(unreached.device) & ~unreached).any():
        warn(f"the Hessian of {_n_of(lost)} cannot be inverted")
    return found


def _n_of(which: Tensor) -> str:
    """How many of the matrices in a stack."""
    return f"{int(which.sum())} of its {len(which)} experts" if len(which) > 1 else "it"


def _warn_about_site(warn: Callable[[str], None], name: str, line: str) -> None:
    warn(f"{name} is rounded to nearest, at least in part: {line}")


def _scales_and_zeros(weight: Tensor, quantizer: Quantizer) -> tuple[Tensor, Tensor]:
    """Scales and zero points of all groups, (experts, out, groups) each."""
    scales, zeros = [], []
    for groups in grid.split_groups(weight.flatten(0, 1), quantizer):
        if groups.numel():
            arguments = _quantization_arguments(quantizer, "channel")
            observer = Observer.load_from_registry(OBSERVER, base_name="weight", args=arguments)
            observer(groups.reshape(-1, groups.shape[-1]).detach().float())
            chosen = observer.get_qparams()
            scales.append(chosen["scale"].view(*weight.shape[:2], -1))
            zeros.append(chosen["zero_point"].view(*weight.shape[:2], -1))
    return torch.cat(scales, dim=2), torch.cat(zeros, dim=2)


def _quantization_arguments(quantizer: Quantizer, strategy: str, **others: int) -> QuantizationArgs:
    return QuantizationArgs(
        num_bits=quantizer.bits,
        type="int",
        symmetric=not quantizer.zero_point,
        strategy=strategy,
        actorder="static" if strategy == "group" else None,
        scale_dtype=torch.float16,
        observer=OBSERVER,
        observer_kwargs={"maxshrink": NARROWEST},
        **others,
    )


@contextmanager
def _watch_inputs(these: list[Site]) -> Iterator[None]:
    hooks = [site.module.register_forward_pre_hook(site.see) for site in these]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _layer_name(name: str) -> str:
    """The name up to its first number: that of the layer, where models number them."""
    parts = name.split(".")
    number = next((i for i, part in enumerate(parts) if part.isdigit()), len(parts))
    return ".".join(parts[: number + 1])
