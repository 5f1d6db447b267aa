"""Variants of a run: its weights at another precision.

The matrices of the layers are quantised, as in the paper, or those of embedding and head too; routers, biases
and norms stay in float32. A variants file holds the matrices as they read back, under "variant/parameter",
and what each variant costs to store in its header.
"""

import importlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Literal

from torch import Tensor

from .. import layout, tensorfile
from ..files import UserError, remake_remedy
from ..kept import KEY, MadeFrom
from ..specs import FULL_BITS, Quantizer, Run, to_json
from ..tensorfile import DamagedFileError
from . import grid

HEADER = "variants"
ROUTER = re.compile(r"\.(router|gate)\.weight$")  # in the study's decoder, and in models of transformers
LAYER = re.compile(r"(?<=\.)\d+(?=\.)")


@dataclass(frozen=True)
class StoredVariant:
    """A variant: its quantised matrices as they read back, and how it is stored.

    bits_per_weight: the mean over all weights of the model. spec: the quantizer, as JSON. quantized: the
    names of the matrices, with * in place of the numbers of layers and experts.
    """

    matrices: dict[str, Tensor]
    bits_per_weight: float
    spec: str | None = None
    quantized: list[str] | None = None


AS_TRAINED = StoredVariant({}, float(FULL_BITS))


def method_module(method: str) -> ModuleType:
    """The module of a method, found by name: so editing one method leaves the results of others current."""
    return importlib.import_module(f"{__package__}.{method}")


@dataclass(frozen=True)
class CalibrationSource:
    """What a method with data needs: a run, the folder of results with its model and data, and where to compute."""

    run: Run
    results: Path
    device: str = "cpu"

    @property
    def model(self) -> Path:
        """model.safetensors, beside its config.json."""
        return self.results / layout.model_file(self.run)


def quantizable_names(
    weights: dict[str, Tensor], outside: set[str], which: Literal["layers", "all"] = "layers"
) -> list[str]:
    """The names of the matrices that are quantised: those of the layers, or also embedding and head.

    outside: the names of embedding, head and routers; routers are never quantised.
    """
    return [
        name
        for name, tensor in weights.items()
        if tensor.dim() == 2
        and tensor.numel()
        and not ROUTER.search(name)
        and (which == "all" or name not in outside)
    ]


def quantize(
    weights: dict[str, Tensor],
    outside: set[str],
    quantizer: Quantizer,
    source: CalibrationSource | None = None,
    say: Callable[[str], None] = print,
    warn: Callable[[str], None] = print,
) -> tuple[dict[str, Tensor], float]:
    """The quantised matrices as they read back, and the mean stored bits per weight of the whole model.

    source: for gptq. say: is told what a user may want to know. warn: is told what was done in place of what was
    asked for. Raises UserError for a model that the method cannot quantise.
    """
    names = quantizable_names(weights, outside, quantizer.matrices)
    if not names:
        raise UserError(
            f"{quantizer.slug}: this model has no matrices to quantise. Leave it out of experiments with "
            "quantizers, or set matrices: all."
        )
    module = method_module(quantizer.method)
    for name in names:
        try:
            coarse = grid.check_scales(weights[name], quantizer)
        except UserError as error:
            raise UserError(f"{quantizer.slug}: {name}: {error}") from error
        if coarse:
            warn(f"{quantizer.slug}: {name}: {coarse}")
    if quantizer.sees_data:
        assert source
        matrices = module.quantize_model(
            source, names, quantizer, say, lambda line: warn(f"{quantizer.slug}: {line}")
        )
        refuse_other_numbers(matrices, quantizer)
        stored = sum(grid.stored_bits(weights[name], quantizer) for name in names)
    else:
        found = {name: module.quantize_matrix(weights[name], quantizer) for name in names}
        matrices = {name: matrix for name, (matrix, _) in found.items()}
        stored = sum(bits for _, bits in found.values())
    total = sum(tensor.numel() for tensor in weights.values())
    stored += FULL_BITS * (total - sum(tensor.numel() for tensor in matrices.values()))
    return matrices, stored / total


def refuse_other_numbers(matrices: dict[str, Tensor], quantizer: Quantizer) -> None:
    """Raise UserError where a method with data has made of a matrix what is no number."""
    for name, matrix in matrices.items():
        if not matrix.isfinite().all():
            reason = "what is stored would hold NaN or infinity, since its weights or inputs are too large"
            raise UserError(
                f"{quantizer.slug}: {name}: {reason}. Train with a lower lr, or leave this variant out."
            )


def write_variants(
    path: Path,
    weights: dict[str, Tensor],
    outside: set[str],
    quantizers: list[Quantizer],
    source: CalibrationSource | None = None,
    say: Callable[[str], None] = print,
    made_from: MadeFrom | None = None,
    warn: Callable[[str], None] = print,
) -> dict[str, float]:
    """Write the variants that `quantizers` make of `weights`; returns the stored bits per weight of each.

    source, say, warn: as for `quantize`; the file keeps what `warn` is told. made_from: what `is_current` is to find.
    """
    tensors: dict[str, Tensor] = {}
    stored: dict[str, float] = {}
    instead: list[str] = []
    for quantizer in quantizers:
        matrices, stored[quantizer.slug] = quantize(weights, outside, quantizer, source, say, instead.append)
        tensors |= {f"{quantizer.slug}/{name}": tensor for name, tensor in matrices.items()}
    specs = {quantizer.slug: to_json(quantizer) for quantizer in quantizers}
    for line in instead:
        warn(line)
    header = {"bits_per_weight": stored, "specs": specs, "instead": instead, KEY: made_from}
    tensorfile.write_tensors(path, tensors, {HEADER: json.dumps(header)})
    return stored


def is_current(path: Path, made_from: MadeFrom) -> bool:
    """Whether a file of variants is there, whole, and was made from this."""
    try:
        return bool(json.loads(tensorfile.read_tensors(path)[1][HEADER])[KEY] == made_from)
    except (DamagedFileError, OSError, ValueError, KeyError, TypeError):
        return False


def read_variants(path: Path) -> dict[str, StoredVariant]:
    """The variants in a file, by name."""
    try:
        tensors, texts = tensorfile.read_tensors(path)
        header = json.loads(texts[HEADER])
        stored: dict[str, float] = header["bits_per_weight"]
        specs: dict[str, str] = header["specs"]
    except (DamagedFileError, OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not a whole variants file ({error}). {remake_remedy(path)}") from error
    found = {}
    for variant, bits in stored.items():
        own = {n.removeprefix(f"{variant}/"): t for n, t in tensors.items() if n.startswith(f"{variant}/")}
        quantized = sorted({LAYER.sub("*", name) for name in own})
        found[variant] = StoredVariant(own, bits, specs[variant], quantized)
    return found
