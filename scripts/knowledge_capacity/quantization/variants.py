"""Variants of a run: its weights at another precision.

The matrices of the layers are quantised; embedding, head, routers, biases and norms stay in float32, as in
the paper. A variants file holds the matrices as they read back, under "variant/parameter", and what each
variant costs to store in its header.
"""

import importlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..files import UserError, remake, replacing
from ..specs import Quantizer, to_json

FULL_BITS = 32
LAYER = re.compile(r"(?<=\.)\d+(?=\.)")


@dataclass(frozen=True)
class Stored:
    """A variant: its quantised matrices as they read back, and how it is stored.

    bits_per_weight: the mean over all weights of the model. spec: the quantizer, as JSON. quantized: the
    names of the matrices, with * in place of the numbers of layers and experts.
    """

    matrices: dict[str, Tensor]
    bits_per_weight: float
    spec: str | None = None
    quantized: list[str] | None = None


AS_TRAINED = Stored({}, float(FULL_BITS))


def method_module(method: str) -> ModuleType:
    """The module of a method, found by name: so editing one method leaves the results of others current."""
    return importlib.import_module(f"{__package__}.{method}")


def quantizable(weights: dict[str, Tensor], outside: set[str]) -> list[str]:
    """The names of the matrices that are quantised. outside: those of embeddings, head and routers."""
    return [
        name
        for name, tensor in weights.items()
        if name not in outside and tensor.dim() == 2 and tensor.numel()
    ]


def quantize(
    weights: dict[str, Tensor], outside: set[str], quantizer: Quantizer
) -> tuple[dict[str, Tensor], float]:
    """The quantised matrices as they read back, and the mean stored bits per weight of the whole model."""
    matrices, stored = {}, 0.0
    for name in quantizable(weights, outside):
        matrices[name], bits = method_module(quantizer.method).quantize_matrix(weights[name], quantizer)
        stored += bits
    total = sum(tensor.numel() for tensor in weights.values())
    stored += FULL_BITS * (total - sum(tensor.numel() for tensor in matrices.values()))
    return matrices, stored / total


def write(
    path: Path, weights: dict[str, Tensor], outside: set[str], quantizers: list[Quantizer]
) -> dict[str, float]:
    """Write the variants that `quantizers` make of `weights`; returns the stored bits per weight of each."""
    tensors: dict[str, Tensor] = {}
    stored: dict[str, float] = {}
    for quantizer in quantizers:
        matrices, stored[quantizer.slug] = quantize(weights, outside, quantizer)
        tensors |= {f"{quantizer.slug}/{name}": tensor.contiguous() for name, tensor in matrices.items()}
    specs = {quantizer.slug: to_json(quantizer) for quantizer in quantizers}
    with replacing(path) as aside:
        save_file(tensors, aside, {"bits_per_weight": json.dumps(stored), "specs": json.dumps(specs)})
    return stored


def read(path: Path) -> dict[str, Stored]:
    """The variants in a file, by name."""
    try:
        with safe_open(path, framework="pt") as file:
            stored: dict[str, float] = json.loads(file.metadata()["bits_per_weight"])
            specs: dict[str, str] = json.loads(file.metadata()["specs"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not a whole variants file ({error}). {remake(path)}") from error
    found = {}
    for variant, bits in stored.items():
        own = {n.removeprefix(f"{variant}/"): t for n, t in tensors.items() if n.startswith(f"{variant}/")}
        quantized = sorted({LAYER.sub("*", name) for name in own})
        found[variant] = Stored(own, bits, specs[variant], quantized)
    return found
