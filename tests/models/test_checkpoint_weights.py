"""A checkpoint is read whole, as transformers computes it, or refused with the names of what is wrong."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.checkpoints import QWEN, SMALL, edit_config, save_model, write_checkpoint
from knowledge_capacity.files import UserError
from knowledge_capacity.models.build import n_parameters
from knowledge_capacity.models.checkpoint import read_checkpoint
from knowledge_capacity.models.loss import logits
from knowledge_capacity.specs import Checkpoint
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoModelForCausalLM

VOCABULARY = 30
Weights = dict[str, Tensor]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("ck"), "Qwen3Config", QWEN, VOCABULARY)


@pytest.fixture(scope="module")
def weights(plain: Path) -> Weights:
    return load_file(plain / "model.safetensors")


def texts() -> list[Tensor]:
    generator = torch.Generator().manual_seed(5)
    return [torch.randint(VOCABULARY, (1, length), generator=generator) for length in range(8, 18)]


def assert_same_model(found: nn.Module, folder: Path) -> None:
    """The logits of ten texts are those of transformers' own loading, and P is its number of parameters."""
    theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        for text in texts():
            assert torch.equal(logits(found.eval(), text), logits(theirs, text))
    assert n_parameters(found, VOCABULARY) == sum(p.numel() for p in theirs.parameters())


def in_two_files(folder: Path, listed: slice = slice(None)) -> None:
    """The weights of a folder in two files, of which the index names those in `listed` alone."""
    whole = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(whole)
    parts = {"a.safetensors": names[:9], "b.safetensors": names[9:]}
    for part, own in parts.items():
        save_file({name: whole[name] for name in own}, folder / part)
    where = {name: part for part, own in parts.items() for name in own}
    index = {"metadata": {}, "weight_map": {name: where[name] for name in names[listed]}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


@pytest.mark.parametrize(
    ("renamed", "said"),
    [
        (lambda name: f"_orig_mod.{name}", ["_orig_mod. (25 weights)"]),
        (lambda name: f"module.{name}", ["module. (25 weights)"]),
        (lambda name: f"module._orig_mod.{name}", ["_orig_mod. (25 weights), module. (25 weights)"]),
        (lambda name: f"_orig_mod.module.{name}", ["_orig_mod. (25 weights), module. (25 weights)"]),
        (lambda name: f"_fsdp_wrapped_module.{name}", ["_fsdp_wrapped_module. (25 weights)"]),
        # torch.compile of one layer alone
        (lambda name: name.replace("layers.0.", "layers.0._orig_mod."), ["_orig_mod. (11 weights)"]),
        (lambda name: name.removeprefix("model."), []),  # as a model is saved without its head
        (lambda name: name, []),
    ],
)
def test_names_of_wrapped_modules_are_those_of_the_model(
    tmp_path: Path, plain: Path, weights: Weights, renamed: Callable[[str], str], said: list[str]
) -> None:
    folder = write_checkpoint(tmp_path, plain, {renamed(name): tensor for name, tensor in weights.items()})
    heard: list[str] = []
    assert_same_model(read_checkpoint(Checkpoint(str(folder)), heard.append), plain)
    assert [line.rpartition(": ")[2] for line in heard] == said


def test_several_files_and_other_precisions_are_one_model(
    tmp_path: Path, plain: Path, weights: Weights
) -> None:
    folder = write_checkpoint(tmp_path / "parts", plain, weights)
    in_two_files(folder)
    assert_same_model(read_checkpoint(Checkpoint(str(folder))), plain)
    half = write_checkpoint(tmp_path / "half", plain, {n: t.bfloat16() for n, t in weights.items()})
    assert_same_model(read_checkpoint(Checkpoint(str(half))), half)
    old = write_checkpoint(
        tmp_path / "old", plain, {**weights, "model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(4)}
    )
    assert_same_model(
        read_checkpoint(Checkpoint(str(old))), plain
    )  # what follows from config.json is no weight


def test_tied_or_not_as_the_weights_are(tmp_path: Path, plain: Path, weights: Weights) -> None:
    tied = save_model(tmp_path / "tied", "Qwen3Config", {**QWEN, "tie_word_embeddings": True}, VOCABULARY)
    assert_same_model(read_checkpoint(Checkpoint(str(tied))), tied)
    one = load_file(tied / "model.safetensors")
    both = {**one, "lm_head.weight": one["model.embed_tokens.weight"].clone()}
    assert_same_model(read_checkpoint(Checkpoint(str(write_checkpoint(tmp_path / "both", tied, both)))), tied)
    # where they differ, transformers keeps both, whatever config.json says
    untied = write_checkpoint(tmp_path / "untied", plain, weights)
    edit_config(untied, tie_word_embeddings=True)
    heard: list[str] = []
    found = read_checkpoint(Checkpoint(str(untied)), heard.append)
    assert_same_model(found, plain)
    assert "its head differs from its embedding, so they count as two" in heard[0]
    assert not found.config.tie_word_embeddings  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("config", "fields"),
    [
        ("MixtralConfig", {**SMALL, "num_local_experts": 4, "num_experts_per_tok": 2}),
        ("GPTNeoXConfig", {**SMALL}),
        ("GPT2Config", {"n_embd": 16, "n_layer": 1, "n_head": 2}),
        (
            "DeepseekV3Config",
            {
                **SMALL, "moe_intermediate_size": 8, "first_k_dense_replace": 1, "n_routed_experts": 4,
                "num_experts_per_tok": 2, "n_group": 1, "topk_group": 1, "q_lora_rank": 8, "kv_lora_rank": 8,
                "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8,
            },
        ),
    ],
)  # fmt: skip
def test_names_in_files_may_differ_from_those_in_memory(
    tmp_path: Path, config: str, fields: dict[str, Any]
) -> None:
    theirs = save_model(tmp_path / "theirs", config, fields, VOCABULARY)
    found = read_checkpoint(Checkpoint(str(theirs)))
    assert_same_model(found, theirs)
    as_in_memory = write_checkpoint(tmp_path / "memory", theirs, dict(found.state_dict()))
    assert_same_model(read_checkpoint(Checkpoint(str(as_in_memory))), theirs)


def test_experts_that_are_missing_or_numbered_otherwise_are_refused(tmp_path: Path) -> None:
    fields = {**SMALL, "num_local_experts": 4, "num_experts_per_tok": 2}
    whole = save_model(tmp_path / "whole", "MixtralConfig", fields, VOCABULARY)
    weights = load_file(whole / "model.safetensors")
    stem = "model.layers.0.block_sparse_moe.experts"
    less = {name: tensor for name, tensor in weights.items() if f"{stem}.3." not in name}
    with pytest.raises(UserError, match=rf"3 \({stem}\.3\.w1\.weight, .*\) missing"):
        read_checkpoint(Checkpoint(str(write_checkpoint(tmp_path / "less", whole, less))))
    one = {name: tensor for name, tensor in weights.items() if f"{stem}.3.w1" not in name}
    with pytest.raises(UserError, match=rf"1 \({stem}\.3\.w1\.weight\) missing"):
        read_checkpoint(Checkpoint(str(write_checkpoint(tmp_path / "one", whole, one))))
    # transformers takes expert 4 for expert 3, and reports nothing
    moved = {name.replace(f"{stem}.3.w1", f"{stem}.4.w1"): tensor for name, tensor in weights.items()}
    with pytest.raises(UserError, match=rf"1 \({stem}\.3\.w1\.weight\) missing; 1 \({stem}\.4\.w1"):
        read_checkpoint(Checkpoint(str(write_checkpoint(tmp_path / "moved", whole, moved))))


Q = "model.layers.0.self_attn.q_proj.weight"


@pytest.mark.parametrize(
    ("changed", "config", "reason"),
    [
        (
            lambda w: {name: tensor for name, tensor in w.items() if "layers.1." not in name},
            {},
            r"11 \(model\.layers\.1\.input_layernorm\.weight, .*, …\) missing",
        ),
        (
            lambda w: w,
            {"num_hidden_layers": 3, "layer_types": ["full_attention"] * 3},
            r"11 \(model\.layers\.2\..*\) missing",
        ),
        (
            lambda w: w,
            {"num_hidden_layers": 1, "layer_types": ["full_attention"]},
            r"11 \(model\.layers\.1\..*\) left over",
        ),
        (lambda w: {n: t for n, t in w.items() if "head" not in n}, {}, r"1 \(lm_head\.weight\) missing"),
        (lambda w: {**w, "score.weight": torch.ones(2, 16)}, {}, r"1 \(score\.weight\) left over"),
        # masks have such names too, but one dimension is that of a layer's bias
        (
            lambda w: {**w, "model.layers.0.self_attn.bias": torch.ones(16)},
            {},
            r"1 \(model\.layers\.0\.self_attn\.bias\) left over",
        ),
        (lambda w: {**w, f"_orig_mod.{Q}": w[Q].clone()}, {}, f"{Q} is there twice, with and without _orig_mod"),
        (lambda w: w, {"vocab_size": 31}, r"lm_head\.weight has the shape \(30, 16\), not \(31, 16\)"),
        (lambda w: w, {"head_dim": 16}, r"has the shape \(.*\), not"),
        (lambda w: {"a": torch.ones(1)}, {}, r"25 \(.*\) missing; 1 \(a\) left over"),
        (lambda w: {**w, Q: w[Q].to(torch.int8)}, {}, rf"{Q} holds torch\.int8, codes of a quantiser"),
        (lambda w: {**w, Q: w[Q] / 0}, {}, rf"{Q} holds NaN or infinity\."),
        (lambda w: {**w, Q: w[Q].to(torch.float8_e4m3fn)}, {}, r"float8_e4m3fn, codes of a quantiser"),
        (
            lambda w: {**w, Q: w[Q].to(torch.int8), f"{Q}_scale": torch.ones(16, 1)},
            {},
            r"1 \(.*weight_scale\) left over",
        ),
        (lambda w: w, {"quantization_config": {"quant_method": "fp8"}}, r"config\.json: quantization_config says"),
        (lambda w: w, {"text_config": {"compression_config": {"a": 1}}}, r"compression_config says that its weights"),
    ],
)  # fmt: skip
def test_what_is_not_the_whole_model_is_refused(
    tmp_path: Path,
    plain: Path,
    weights: Weights,
    changed: Callable[[Weights], Weights],
    config: dict[str, Any],
    reason: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = write_checkpoint(tmp_path, plain, changed(weights))
    edit_config(folder, **config)
    with pytest.raises(UserError, match=reason) as error:
        read_checkpoint(Checkpoint(str(folder)))
    assert "\n" not in str(error.value)
    assert capsys.readouterr().err == ""  # no bar of the library


def test_files_that_are_missing_or_too_many_are_refused(
    tmp_path: Path, plain: Path, weights: Weights
) -> None:
    folder = write_checkpoint(tmp_path / "short", plain, weights)
    in_two_files(folder, slice(9))
    with pytest.raises(UserError, match=r"16 \(.*\) missing"):
        read_checkpoint(Checkpoint(str(folder)))
    folder = write_checkpoint(tmp_path / "gone", plain, weights)
    in_two_files(folder)
    (folder / "b.safetensors").unlink()
    with pytest.raises(UserError, match=r"b\.safetensors: not a whole weights file"):
        read_checkpoint(Checkpoint(str(folder)))
    folder = write_checkpoint(tmp_path / "adapted", plain, weights)
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(UserError, match="an adapter lies beside the weights"):
        read_checkpoint(Checkpoint(str(folder)))
    (folder / "adapter_config.json").unlink()
    (folder / "model.safetensors").unlink()
    with pytest.raises(
        UserError, match=r"there is no model\.safetensors and no model\.safetensors\.index\.json"
    ):
        read_checkpoint(Checkpoint(str(folder)))


SCHEMES: dict[str, dict[str, Any]] = {
    "W8A8": {
        "weights": {"num_bits": 8, "strategy": "channel"},
        "input_activations": {"num_bits": 8, "strategy": "token", "dynamic": True},
    },
    "W4A16": {"weights": {"num_bits": 4, "strategy": "channel"}},
    "FP8": {"weights": {"num_bits": 8, "type": "float", "strategy": "channel"}},
}


@pytest.mark.slow
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("says_so", [True, False])
def test_what_llmcompressor_saves_is_refused(tmp_path: Path, plain: Path, scheme: str, says_so: bool) -> None:
    """Also where somebody took away what config.json says of it."""
    from llmcompressor import oneshot  # type: ignore[attr-defined]
    from llmcompressor.modifiers.quantization import QuantizationModifier

    model = AutoModelForCausalLM.from_pretrained(plain)
    groups = {"g": {"targets": ["Linear"], **SCHEMES[scheme]}}
    unused: Any = object()  # it asks for a tokenizer, and there are no data
    oneshot(
        model=model, processor=unused, recipe=QuantizationModifier(config_groups=groups, ignore=["lm_head"])
    )
    model.save_pretrained(tmp_path, save_compressed=True)
    if not says_so:
        edit_config(tmp_path, quantization_config=None)
    reason = "quantization_config says" if says_so else r"left over|codes of a quantiser"
    with pytest.raises(UserError, match=reason):
        read_checkpoint(Checkpoint(str(tmp_path)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_weight_that_transformers_changes_while_it_loads_is_told(
    tmp_path: Path, dtype: torch.dtype
) -> None:
    """A Youtu's embedding of its padding token becomes zero, in place where the file has float32 too."""
    latent = {
        "kv_lora_rank": 8,
        "q_lora_rank": 8,
        "qk_rope_head_dim": 4,
        "qk_nope_head_dim": 4,
        "v_head_dim": 4,
    }
    shape = {**SMALL, **latent, "tie_word_embeddings": True}
    plain = save_model(tmp_path / "plain", "YoutuConfig", shape, VOCABULARY)
    weights = {name: tensor.to(dtype) for name, tensor in load_file(plain / "model.safetensors").items()}
    folder = write_checkpoint(tmp_path / "padded", plain, weights)
    read_checkpoint(Checkpoint(str(folder)))
    edit_config(folder, pad_token_id=2)
    with pytest.raises(UserError, match=r"model\.embed_tokens\.weight has other numbers in the model"):
        read_checkpoint(Checkpoint(str(folder)))
