"""Variants: which weights change, what they cost, and how they are stored."""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from knowledge_capacity.files import UserError
from knowledge_capacity.models import decoder, store
from knowledge_capacity.quantization import rtn, variants
from knowledge_capacity.specs import Architecture, Quantizer
from torch import Tensor

SMALL = Architecture(layers=2, heads=1, width=8)
INT8, INT4, GROUPED = Quantizer(bits=8), Quantizer(bits=4), Quantizer(bits=4, group_size=3)
MATRICES = [
    "attention.query_key_value.weight",
    "attention.dense.weight",
    "mlp.dense_h_to_4h.weight",
    "mlp.dense_4h_to_h.weight",
]


@pytest.fixture
def weights() -> dict[str, Tensor]:
    model = decoder.build(SMALL, 20, 16, 0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.01)
    return decoder.saved_weights(model)


def test_only_the_matrices_of_the_layers_are_quantised(weights: dict[str, Tensor]) -> None:
    before = {name: tensor.clone() for name, tensor in weights.items()}
    expected = [f"gpt_neox.layers.{layer}.{name}" for layer in range(2) for name in MATRICES]
    assert sorted(variants.quantizable(weights)) == sorted(expected)
    matrices, _ = variants.quantize(weights, INT4)
    assert sorted(matrices) == sorted(expected)
    for name, tensor in weights.items():
        assert torch.equal(tensor, before[name]), name
    for name, tensor in matrices.items():
        assert torch.equal(tensor, rtn.quantize_matrix(weights[name], INT4)[0]), name
        assert not torch.equal(tensor, weights[name]), name


def test_stored_bits_by_hand(weights: dict[str, Tensor]) -> None:
    # matrices 12·2·8² = 1536, others 13·2·8 + 2·8 + 20·8 = 384; rows of a layer 24 + 8 + 32 + 8 = 72
    _, stored = variants.quantize(weights, INT4)
    assert stored == pytest.approx((1536 * 4 + 2 * 72 * 32 + 384 * 32) / 1920)
    # groups of 3: three to a row of 8, eleven to a row of 32
    _, stored = variants.quantize(weights, GROUPED)
    groups = 2 * ((24 + 8 + 32) * 3 + 8 * 11)
    assert stored == pytest.approx((1536 * 4 + groups * 32 + 384 * 32) / 1920)


def test_what_is_written_reads_back(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    path = tmp_path / "variants" / "rtn.safetensors"
    stored = variants.write(path, weights, [INT8, INT4, GROUPED])
    found = variants.read(path)
    assert list(found) == list(stored) == ["int8-rtn", "int4-rtn", "int4-rtn-group3"]
    for quantizer in (INT8, INT4, GROUPED):
        matrices, bits = variants.quantize(weights, quantizer)
        read_back, read_bits = found[quantizer.slug]
        assert read_bits == stored[quantizer.slug] == bits
        assert read_back.keys() == matrices.keys()
        for name, tensor in matrices.items():
            assert torch.equal(read_back[name], tensor), name
    assert list(path.parent.iterdir()) == [path]


def test_a_variant_loads_in_place_of_the_weights(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    variants.write(tmp_path / "rtn.safetensors", weights, [INT8, Quantizer(bits=2)])
    tokens = torch.arange(12)[None]
    with torch.no_grad():
        full = decoder.load(Path("model"), SMALL, weights, 16)(tokens)
        found = {
            name: decoder.load(Path("model"), SMALL, weights | matrices, 16)(tokens)
            for name, (matrices, _) in variants.read(tmp_path / "rtn.safetensors").items()
        }
    assert 0 < float((found["int8-rtn"] - full).norm()) < float((found["int2-rtn"] - full).norm())


@pytest.mark.parametrize("kept", [0, 4, 0.5, 0.999])
def test_a_truncated_file_is_refused(tmp_path: Path, weights: dict[str, Tensor], kept: float) -> None:
    path = tmp_path / "rtn.safetensors"
    variants.write(path, weights, [INT8])
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept if kept > 1 else kept * len(whole))])
    with pytest.raises(UserError, match=r"rtn\.safetensors: not a whole variants file.*Delete it"):
        variants.read(path)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    store.write(tmp_path, decoder.build(SMALL, 20, 16, 0), SMALL, 16, end_token=0)
    with pytest.raises(UserError, match=r"model\.safetensors: not a whole variants file"):
        variants.read(tmp_path / "model.safetensors")


def test_a_failed_write_leaves_the_file_before(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    path = tmp_path / "rtn.safetensors"
    variants.write(path, weights, [INT8])
    before = path.read_bytes()
    unknown = Quantizer(bits=4, method="none")  # type: ignore[arg-type]  # no such method, on purpose
    with pytest.raises(ModuleNotFoundError):
        variants.write(path, weights, [INT4, unknown])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_the_script_writes_what_the_library_makes(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    store.write(tmp_path, decoder.load(Path("model"), SMALL, weights, 16), SMALL, 16, end_token=0)
    script = Path(__file__).parents[2] / "scripts" / "quantize.py"
    quantizers = json.dumps([asdict(INT8), asdict(GROUPED)])
    command = [sys.executable, str(script), "--model", str(tmp_path / "model.safetensors")]
    command += ["--quantizers", quantizers, "--output", str(tmp_path / "script.safetensors")]
    subprocess.run(command, check=True, timeout=60)
    variants.write(tmp_path / "library.safetensors", weights, [INT8, GROUPED])
    written = [(tmp_path / f"{name}.safetensors").read_bytes() for name in ("script", "library")]
    assert written[0] == written[1]
