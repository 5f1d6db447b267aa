"""What a configuration of transformers says takes effect, is refused, or is said not to; one model has one spec."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.checkpoints import SMALL
from knowledge_capacity.files import UserError
from knowledge_capacity.models import store
from knowledge_capacity.models.build import build_model
from knowledge_capacity.models.configurations import settle_architecture
from knowledge_capacity.specs import BioS, PythonModel, Recipe, Run, TransformersModel
from transformers import AutoModelForCausalLM

VOCABULARY, WINDOW = 29, 16
QWEN: dict[str, Any] = {**SMALL, "num_key_value_heads": 1, "head_dim": 8}
PLAIN = TransformersModel("Qwen3Config", QWEN)
ROPE = {"rope_type": "default", "rope_theta": 1e6}
GEMMA: dict[str, Any] = {
    "model_type": "gemma3",
    "text_config": {**QWEN, "vocab_size": 300, "dtype": "bfloat16"},
    "vision_config": {**SMALL, "image_size": 16, "patch_size": 8},
}
LINEAR = {
    "linear_num_key_heads": 1,
    "linear_num_value_heads": 2,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
}


def written(folder: Path, values: dict[str, Any], **fields: Any) -> TransformersModel:
    """A spec that names a config.json of these values."""
    path = folder / "given" / "config.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(values))
    return TransformersModel(str(path), fields)


@pytest.mark.parametrize(
    ("config", "fields", "notes"),
    [
        ({}, {}, []),
        ({"torch_dtype": "bfloat16"}, {}, ["torch_dtype has no effect: weights are made, trained and saved"]),
        ({"dtype": "float32", "use_cache": False, "bos_token_id": None}, {}, []),
        ({}, {"dtype": "float16"}, ["dtype has no effect: weights are made"]),
        ({"vocab_size": 300, "eos_token_id": 7}, {}, ["vocab_size, eos_token_id have no effect:"]),
        ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, {}, ["quantization_config has no effect"]),
        ({"auto_map": {"AutoModelForCausalLM": "modeling_mine.Mine"}}, {}, ["auto_map has no effect: no code"]),
        ({"pretraining_tp": 1}, {}, ["pretraining_tp is no field of a Qwen3Config, and left out"]),
        ({"n_layer": 2}, {}, ["n_layer is no field of a Qwen3Config, and left out"]),
        ({"return_dict": False}, {}, ["return_dict has no effect: only logits are read"]),
        ({"temperature": 0.5}, {}, ["temperature: 0.5 has no effect"]),
        ({"rope_theta": 1e4}, {}, []),  # which the class puts into rope_parameters
        ({"tie_word_embeddings": False, "rms_norm_eps": 1e-6, "attention_dropout": 0}, {}, []),  # the class's own
        ({"layer_types": ["full_attention"] * 2, "rope_parameters": {**ROPE, "rope_theta": 1e4}}, {}, []),
    ],
)  # fmt: skip
def test_what_makes_no_difference_is_said_and_leaves_one_model(
    tmp_path: Path, config: dict[str, Any], fields: dict[str, Any], notes: list[str]
) -> None:
    spec = written(tmp_path, {"model_type": "qwen3", **QWEN, **config}, **fields)
    found = settle_architecture(spec)
    assert found.architecture == settle_architecture(PLAIN).architecture
    assert found.architecture.slug == PLAIN.slug
    assert len(found.notes) == len(notes)
    for note, expected in zip(found.notes, notes, strict=True):
        assert note.startswith(f"{spec.config}: {expected}")


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("Qwen3Config", {**QWEN, "rope_theta": 1e6}, {**QWEN, "rope_parameters": ROPE}),
        ("Qwen3Config", {**QWEN, "rope_scaling": ROPE}, {**QWEN, "rope_parameters": {"rope_theta": 1e6}}),
        ("GPT2Config", {"n_embd": 16, "n_head": 2}, {"num_attention_heads": 2, "hidden_size": 16, "n_inner": None}),
    ],
)  # fmt: skip
def test_two_ways_to_write_a_model_are_one_spec(
    kind: str, one: dict[str, Any], other: dict[str, Any]
) -> None:
    both = [settle_architecture(TransformersModel(kind, fields)) for fields in (one, other)]
    assert both[0] == both[1]
    plain = settle_architecture(TransformersModel(kind, {k: v for k, v in one.items() if k in SMALL}))
    assert both[0].architecture.slug != plain.architecture.slug
    again = settle_architecture(both[0].architecture)
    assert again == both[0]


@pytest.mark.parametrize(
    ("config", "fields", "message"),
    [
        ({}, {"n_layer": 7}, r"n_layer: a Qwen3Config has no such field, and num_hidden_layers is 2\. Leave it out"),
        ({"atention_bias": True}, {}, r"atention_bias: .* no such field\. Did you mean attention_bias\?"),
        ({"rope_parameters": ROPE}, {"rope_theta": 500}, r"500 has no effect, since rope_parameters decides"),
        ({}, {"sliding_window": 8}, r"sliding_window: 8 has no effect, since a Qwen3Config makes null of it here"),
        ({}, {"rope_parameters": {**ROPE, "rope_tipe": "linear"}}, r"rope_tipe: .*Did you mean rope_type\?"),
        # the whole reason of the library
        ({}, {"rms_norm_eps": 1}, r"TypeError: Field 'rms_norm_eps' expected float, got int .*\. Write 1\.0\.$"),
        (
            {"num_hidden_layers": 28, "layer_types": ["full_attention"] * 28}, {"num_hidden_layers": 2},
            r"`num_hidden_layers` \(2\) must be equal to the number of `layer_types` \(28\).*Without layer_types",
        ),
        (
            {"model_type": "phi3",
             "rope_parameters": {**ROPE, "rope_type": "longrope", "original_max_position_embeddings": 64,
                                 "long_factor": [1.0] * 48, "short_factor": [1.0] * 48}}, {},
            r"short_factor field must have length 4, got 48",
        ),
        ({"model_type": "qwen33"}, {}, r"transformers has no model_type 'qwen33'\. Did you mean 'qwen3'\?"),
        ({"model_type": "t5"}, {}, r"transformers has no causal language model of a T5Config"),
    ],
)  # fmt: skip
def test_what_does_not_do_what_it_says_is_refused(
    tmp_path: Path, config: dict[str, Any], fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message) as error:
        settle_architecture(written(tmp_path, {"model_type": "qwen3", **QWEN, **config}, **fields))
    assert "\n" not in str(error.value)


def test_two_names_of_one_field_that_differ_are_refused() -> None:
    with pytest.raises(UserError, match=r"hidden_size: 24, though n_embd says 16, and both name the same"):
        settle_architecture(TransformersModel("GPT2Config", {"n_embd": 16, "hidden_size": 24}))
    alone = {name: value for name, value in QWEN.items() if name != "num_hidden_layers"}
    with pytest.raises(UserError, match=r"n_layers: .* no such field\. Did you mean num_hidden_layers\?"):
        settle_architecture(TransformersModel("Qwen3Config", {**alone, "n_layers": 2}))


@pytest.mark.parametrize(
    ("config", "fields", "alone", "kind"),
    [
        (GEMMA, {}, QWEN, "Gemma3Text"),
        (GEMMA, {"num_hidden_layers": 1}, {**QWEN, "num_hidden_layers": 1}, "Gemma3Text"),
        (
            {**GEMMA, "tie_word_embeddings": False, "image_token_index": 5},
            {},
            {**QWEN, "tie_word_embeddings": False},
            "Gemma3Text",
        ),
        (
            {**GEMMA, "model_type": "qwen3_5", "text_config": {**QWEN, **LINEAR}},
            {},
            {**QWEN, **LINEAR},
            "Qwen3_5Text",
        ),
    ],
)
def test_of_a_model_of_images_what_reads_texts_is_made(
    tmp_path: Path, config: dict[str, Any], fields: dict[str, Any], alone: dict[str, Any], kind: str
) -> None:
    found = settle_architecture(written(tmp_path, config, **fields))
    assert found.architecture == settle_architecture(TransformersModel(f"{kind}Config", alone)).architecture
    assert f"only what reads texts is made, its text_config ({kind}Config), without" in found.notes[0]
    model = build_model(found.architecture, VOCABULARY, WINDOW, 0)
    assert type(model).__name__ == f"{kind.removesuffix('Text')}ForCausalLM"


def saved_run(folder: Path, spec: TransformersModel) -> dict[str, Any]:
    """The config.json of a run of a model."""
    run = Run(BioS(n_people=10), spec, Recipe(exposures=1, lr=1e-3, window=WINDOW), seed=0)
    store.write_model(folder, build_model(spec, VOCABULARY, WINDOW, 0), run, end_token=2)
    found: dict[str, Any] = json.loads((folder / "config.json").read_text())
    return found


def test_weights_are_those_without_a_dtype_and_in_float32(tmp_path: Path) -> None:
    spec = written(tmp_path, {"model_type": "qwen3", "torch_dtype": "bfloat16", **QWEN})
    model, plain = (build_model(one, VOCABULARY, WINDOW, 0) for one in (spec, PLAIN))
    for name, weight in model.state_dict().items():
        assert weight.dtype == torch.float32
        assert torch.equal(weight, plain.state_dict()[name])
    assert saved_run(tmp_path / "run", spec)["dtype"] == "float32"


def test_runs_keep_nothing_of_another_quantiser_or_of_code_from_elsewhere(tmp_path: Path) -> None:
    other = {"quantization_config": {"quant_method": "gptq", "bits": 4}, "auto_map": {"AutoConfig": "a.B"}}
    spec = written(tmp_path, {"model_type": "qwen3", **QWEN, **other})
    assert not saved_run(tmp_path / "run", spec).keys() & other.keys()
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "run")
    assert theirs.config.eos_token_id == 2


def test_a_function_whose_weights_are_in_another_precision_is_refused(tmp_path: Path) -> None:
    code = "import torch\ndef build(v, w):\n    return torch.nn.Embedding(v, 4){}\n"
    (tmp_path / "half.py").write_text(code.format(".bfloat16()"))
    with pytest.raises(UserError, match=r"its weight weight is torch\.bfloat16, and weights are trained"):
        build_model(PythonModel(f"{tmp_path}/half.py:build"), VOCABULARY, WINDOW, 0)
    (tmp_path / "default.py").write_text(
        code.format("").replace("return", "torch.set_default_dtype(torch.float64)\n    return")
    )
    with pytest.raises(UserError, match=r"is torch\.float64"):
        build_model(PythonModel(f"{tmp_path}/default.py:build"), VOCABULARY, WINDOW, 0)
    assert torch.get_default_dtype() == torch.float32
