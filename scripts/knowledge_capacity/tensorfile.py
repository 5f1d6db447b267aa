"""Files of tensors, as safetensors, that say when they were damaged: each holds a checksum of what it should hold."""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from .files import atomic_write

CHECKSUM = "checksum"


class DamagedFileError(Exception):
    """It is not what was written: cut off, changed, or no file of tensors at all."""


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors, from whatever device, and texts beside them."""
    kept = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with atomic_write(path) as aside:
        save_file(kept, aside, {**metadata, CHECKSUM: _tensors_checksum(kept, metadata)})
        _sort_metadata(aside)


def _sort_metadata(path: Path) -> None:
    """Sort the texts, which safetensors writes in any order, so that the same contents are the same bytes."""
    with open(path, "rb+") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode().ljust(size)
        assert len(text) == size
        file.seek(8)
        file.write(text)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and texts. Files that others wrote have no checksum, and are taken as they are.

    Raises Damaged and OSError.
    """
    try:
        with safe_open(path, framework="pt") as file:
            texts: dict[str, str] = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except SafetensorError as error:
        raise DamagedFileError(str(error)) from error
    expected = texts.pop(CHECKSUM, None)
    if expected is not None and expected != _tensors_checksum(tensors, texts):
        raise DamagedFileError("its checksum is that of other contents")
    return tensors, texts


def _tensors_checksum(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """CRC-32 of names, types, shapes, bytes and texts: enough against accidents, and faster than disks are."""
    sum_ = zlib.crc32(json.dumps(sorted(metadata.items())).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        sum_ = zlib.crc32(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode(), sum_)
        if tensor.numel():
            sum_ = zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy().data, sum_)
    return f"{sum_:08x}"
