"""Variants: which weights change, what they cost, and how they are stored."""

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.run_workflow import TIMEOUT
from knowledge_capacity import layout
from knowledge_capacity.files import UserError
from knowledge_capacity.models import store
from knowledge_capacity.models.build import build_model
from knowledge_capacity.quantization import rtn, variants
from knowledge_capacity.specs import (
    FAMILIES,
    Architecture,
    BioS,
    Quantizer,
    Recipe,
    Run,
    cell_to_json,
    to_json,
)
from torch import Tensor

SMALL = Architecture(layers=2, heads=1, width=8)
RUN = Run(BioS(n_people=10), SMALL, Recipe(exposures=1, lr=1e-3, window=16), seed=0)
OUTSIDE = {"gpt_neox.embed_in.weight"}
INT8, INT4, GROUPED = Quantizer(bits=8), Quantizer(bits=4), Quantizer(bits=4, group_size=3)
MATRICES = [
    "attention.query_key_value.weight",
    "attention.dense.weight",
    "mlp.dense_h_to_4h.weight",
    "mlp.dense_4h_to_h.weight",
]


@pytest.fixture
def weights() -> dict[str, Tensor]:
    model = build_model(SMALL, 20, 16, 0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.01)
    return store.saved_weights(model)[0]


def test_only_the_matrices_of_the_layers_are_quantised(weights: dict[str, Tensor]) -> None:
    before = {name: tensor.clone() for name, tensor in weights.items()}
    expected = [f"gpt_neox.layers.{layer}.{name}" for layer in range(2) for name in MATRICES]
    assert sorted(variants.quantizable_names(weights, OUTSIDE)) == sorted(expected)
    matrices, _ = variants.quantize(weights, OUTSIDE, INT4)
    assert sorted(matrices) == sorted(expected)
    for name, tensor in weights.items():
        assert torch.equal(tensor, before[name]), name
    for name, tensor in matrices.items():
        assert torch.equal(tensor, rtn.quantize_matrix(weights[name], INT4)[0]), name
        assert not torch.equal(tensor, weights[name]), name


def test_stored_bits_by_hand(weights: dict[str, Tensor]) -> None:
    # matrices 12·2·8² = 1536, others 13·2·8 + 2·8 + 20·8 = 384; rows of a layer 24 + 8 + 32 + 8 = 72
    _, stored = variants.quantize(weights, OUTSIDE, INT4)
    assert stored == pytest.approx((1536 * 4 + 2 * 72 * 16 + 384 * 32) / 1920)
    # groups of 3: three to a row of 8, eleven to a row of 32
    _, stored = variants.quantize(weights, OUTSIDE, GROUPED)
    groups = 2 * ((24 + 8 + 32) * 3 + 8 * 11)
    assert stored == pytest.approx((1536 * 4 + groups * 16 + 384 * 32) / 1920)
    # the embedding too: 20 rows of 8 columns, each with a zero point
    every = Quantizer(4, "rtn", zero_point=True, matrices="all")
    _, stored = variants.quantize(weights, OUTSIDE, every)
    assert stored == pytest.approx(((1536 + 160) * 4 + (2 * 72 + 20) * (16 + 4) + 224 * 32) / 1920)
    # zero points of hqq are float16
    _, stored = variants.quantize(weights, OUTSIDE, Quantizer(3, "hqq"))
    assert stored == pytest.approx((1536 * 3 + 2 * 72 * 32 + 384 * 32) / 1920)


def test_what_is_written_reads_back(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    path = tmp_path / "variants" / "rtn.safetensors"
    stored = variants.write_variants(path, weights, OUTSIDE, [INT8, INT4, GROUPED])
    found = variants.read_variants(path)
    assert list(found) == list(stored) == ["int8-rtn", "int4-rtn", "int4-rtn-group3"]
    for quantizer in (INT8, INT4, GROUPED):
        matrices, bits = variants.quantize(weights, OUTSIDE, quantizer)
        read_back = found[quantizer.slug].matrices
        assert found[quantizer.slug].bits_per_weight == stored[quantizer.slug] == bits
        assert found[quantizer.slug].spec == to_json(quantizer)
        assert read_back.keys() == matrices.keys()
        for name, tensor in matrices.items():
            assert torch.equal(read_back[name], tensor), name
    assert list(path.parent.iterdir()) == [path]


def test_a_variant_loads_in_place_of_the_weights(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    variants.write_variants(tmp_path / "rtn.safetensors", weights, OUTSIDE, [INT8, Quantizer(bits=2)])
    tokens = torch.arange(12)[None]
    with torch.no_grad():
        full = store.load_model(Path("model"), SMALL, 20, 16, weights)(tokens)
        found = {
            name: store.load_model(Path("model"), SMALL, 20, 16, weights | one.matrices)(tokens)
            for name, one in variants.read_variants(tmp_path / "rtn.safetensors").items()
        }
    assert 0 < float((found["int8-rtn"] - full).norm()) < float((found["int2-rtn"] - full).norm())


@pytest.mark.parametrize("kept", [0, 4, 0.5, 0.999])
def test_a_truncated_file_is_refused(tmp_path: Path, weights: dict[str, Tensor], kept: float) -> None:
    path = tmp_path / "rtn.safetensors"
    variants.write_variants(path, weights, OUTSIDE, [INT8])
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept if kept > 1 else kept * len(whole))])
    with pytest.raises(UserError, match=r"rtn\.safetensors: not a whole variants file.*Delete it"):
        variants.read_variants(path)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    store.write_model(tmp_path, build_model(SMALL, 20, 16, 0), RUN, end_token=0)
    with pytest.raises(UserError, match=r"model\.safetensors: not a whole variants file"):
        variants.read_variants(tmp_path / "model.safetensors")


def test_a_failed_write_leaves_the_file_before(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    path = tmp_path / "rtn.safetensors"
    variants.write_variants(path, weights, OUTSIDE, [INT8])
    before = path.read_bytes()
    unknown = Quantizer(bits=4, method="none")  # type: ignore[arg-type]  # no such method, on purpose
    with pytest.raises(ModuleNotFoundError):
        variants.write_variants(path, weights, OUTSIDE, [INT4, unknown])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.slow
def test_the_script_writes_what_the_library_makes(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    """For all runs of a cell; those that are there are left."""
    model, runs = store.load_model(Path("model"), SMALL, 20, 16, weights), [RUN, replace(RUN, seed=1)]
    outputs = [tmp_path / layout.variants_file(run, "rtn") for run in runs]
    for run in runs:
        store.write_model(tmp_path / layout.run_folder(run), model, run, end_token=0)
        (tmp_path / layout.record_file(run)).write_text("{}")

    def written(*quantizers: Quantizer) -> list[bytes]:
        script = Path(__file__).parents[2] / "scripts" / "quantize.py"
        command = [sys.executable, str(script), "--cell", cell_to_json(runs), "--results", str(tmp_path)]
        command += ["--quantizers", json.dumps([asdict(quantizer) for quantizer in quantizers])]
        subprocess.run(command, check=True, timeout=TIMEOUT)
        return [path.read_bytes() for path in outputs]

    found = written(INT8, GROUPED)
    variants.write_variants(tmp_path / "library.safetensors", weights, OUTSIDE, [INT8, GROUPED])
    library = variants.read_variants(tmp_path / "library.safetensors")
    for path in outputs:
        assert variants.read_variants(path).keys() == library.keys()
        for name, one in variants.read_variants(path).items():
            assert one.bits_per_weight == library[name].bits_per_weight
            assert all(torch.equal(m, library[name].matrices[n]) for n, m in one.matrices.items())

    inodes = [path.stat().st_ino for path in outputs]
    outputs[0].unlink()
    assert written(INT8, GROUPED) == found
    assert outputs[1].stat().st_ino == inodes[1]
    assert written(INT8) == found, "another study's further variants stay"
    assert outputs[1].stat().st_ino == inodes[1]
    assert written(INT4, INT8) != found
    assert outputs[1].stat().st_ino != inodes[1]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_matrix_of_every_family_is_quantised(family: Any) -> None:
    """All but embedding, head, routers, norms and biases; experts one by one."""
    architecture = Architecture(layers=2, heads=4, width=16, family=family)
    weights, outside = store.saved_weights(build_model(architecture, 20, 16, 0))
    chosen = variants.quantizable_names(weights, outside)
    parts = architecture.parts
    matrices = 2 if parts.norm == "layer" else 4  # joint and out; or q, k, v and out
    mlp = {"standard": 2, "gated": 3, "none": 0}[parts.mlp]
    each = matrices + mlp * (parts.experts.number if parts.experts else 1)
    assert len(chosen) == 2 * each
    left = {name for name, tensor in weights.items() if tensor.dim() == 2 and tensor.numel()} - set(chosen)
    routers = 2 if parts.experts else 0
    assert left == outside
    assert len(left) == (1 if parts.tied else 2) + routers
    more = set(variants.quantizable_names(weights, outside, "all")) - set(chosen)
    assert len(more) == (1 if parts.tied else 2)
    assert all("embed" in name or "head" in name for name in more)


def test_a_model_without_matrices_is_refused() -> None:
    weights = {"embedding.weight": torch.ones(3, 2), "norm.weight": torch.ones(2)}
    with pytest.raises(UserError, match=r"int4-rtn: this model has no matrices to quantise\. Leave it out"):
        variants.quantize(weights, {"embedding.weight"}, INT4)
