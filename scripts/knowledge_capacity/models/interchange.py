"""The decoder under the names and in the layout of transformers, so that a saved run loads there as it is.

GPT-2 with rotary embedding is GPT-NeoX there; LLaMA, Mistral and Mixtral are themselves; a LLaMA whose MLP
has no gate is Arcee. A decoder that transformers has no class for (GPT-2 with experts) keeps its own names.
"""

import json
from typing import Any

import torch
from torch import Tensor

from ..specs import Architecture, to_json
from .decoder import INIT_STD, NORM_EPS, ROTARY_BASE, Decoder

CLASSES = {
    "gpt_neox": "GPTNeoXForCausalLM",
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "arcee": "ArceeForCausalLM",
    "mixtral": "MixtralForCausalLM",
}
OWN = "knowledge_capacity"  # the model type of what transformers has no class for
GROUPED = (
    8  # numbers of 16 bits; transformers' product of all experts at once takes rows of whole 16 bytes alone
)

# our module → theirs, below a layer
NEOX = {
    "attention_norm": "input_layernorm",
    "attention.joint": "attention.query_key_value",
    "attention.out": "attention.dense",
    "mlp_norm": "post_attention_layernorm",
    "mlp.inner": "mlp.dense_h_to_4h",
    "mlp.outer": "mlp.dense_4h_to_h",
}
LLAMA = {
    "attention_norm": "input_layernorm",
    "attention.out": "self_attn.o_proj",
    "mlp_norm": "post_attention_layernorm",
    "mlp.inner": "mlp.up_proj",
    "mlp.outer": "mlp.down_proj",
    "mlp.router": "block_sparse_moe.gate",
}


def model_type(architecture: Architecture) -> str:
    """The name of the transformers model that computes what this decoder does, or OWN."""
    parts = architecture.parts
    if parts.norm == "layer":
        return "gpt_neox" if parts.mlp != "gated" and not parts.experts else OWN
    if parts.experts:
        return "mixtral" if parts.mlp == "gated" and parts.experts.top_k > 1 else OWN
    if parts.mlp != "gated":
        return "arcee"
    return "mistral" if parts.grouped else "llama"


def transformers_config(architecture: Architecture, vocabulary: int, window: int, end: int) -> dict[str, Any]:
    """The config.json with which transformers loads the saved weights."""
    kind, parts = model_type(architecture), architecture.parts
    shared: dict[str, Any] = {
        "bos_token_id": end,
        "dtype": "float32",
        "eos_token_id": end,
        "hidden_act": parts.activation,
        "hidden_size": architecture.width,
        "initializer_range": INIT_STD,
        "intermediate_size": architecture.inner_width,
        "max_position_embeddings": window,
        "model_type": kind,
        "num_attention_heads": architecture.heads,
        "num_hidden_layers": architecture.layers,
        "rope_parameters": {"rope_type": "default", "rope_theta": ROTARY_BASE},
        "tie_word_embeddings": parts.tied,
        "vocab_size": vocabulary,
    }
    if kind == OWN:
        return {**shared, "architecture": json.loads(to_json(architecture)), "use_cache": False}
    shared["architectures"] = [CLASSES[kind]]
    if kind == "gpt_neox":
        rotated = architecture.rotary / architecture.head_width
        shared["rope_parameters"]["partial_rotary_factor"] = rotated
        shared |= {"rotary_pct": rotated, "rotary_emb_base": ROTARY_BASE}  # their names before transformers 5
        dropouts = dict.fromkeys(("attention_dropout", "hidden_dropout", "classifier_dropout"), 0.0)
        return {
            **shared,
            **dropouts,
            "attention_bias": True,
            "layer_norm_eps": NORM_EPS,
            "use_parallel_residual": False,
        }
    groups = {"num_key_value_heads": architecture.groups, "head_dim": architecture.head_width}
    shared |= {**groups, "attention_dropout": 0.0, "rms_norm_eps": NORM_EPS}
    if kind == "mixtral":
        assert parts.experts
        experts = {"num_local_experts": parts.experts.number, "num_experts_per_tok": parts.experts.top_k}
        shared |= {**experts, "sliding_window": None}
        if architecture.width % GROUPED or architecture.inner_width % GROUPED:
            shared["experts_implementation"] = "eager"
    if kind == "mistral":
        shared["sliding_window"] = None
    return shared


def export_weights(architecture: Architecture, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The decoder's weights (its state_dict) under the names of transformers, matrices of experts one by one.

    Every number goes to one place and none is changed, so that `import_weights` can find the way back.
    """
    if model_type(architecture) == OWN:
        return {
            name: tensor.contiguous()
            for key in weights
            for name, tensor in _split_experts(key, weights[key]).items()
        }
    theirs: dict[str, Tensor] = {}
    for key, tensor in weights.items():
        theirs |= _convert_weight(architecture, key, tensor)
    return {name: tensor.contiguous() for name, tensor in theirs.items()}


def import_weights(architecture: Architecture, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The decoder's state_dict from what `export_weights` made of it.

    Raises ValueError where a weight is missing, left over, or of another shape.
    """
    embedding = next((t for name, t in weights.items() if "embed" in name), None)
    empty = Decoder(architecture, 0 if embedding is None else len(embedding), 1)
    shapes = {name: tensor.shape for name, tensor in empty.state_dict().items()}
    sizes = [shape.numel() for shape in shapes.values()]
    # numbered places, sent the same way, tell where each number came from
    places = torch.arange(sum(sizes)).split(sizes)
    way = export_weights(
        architecture, {n: p.view(shape) for (n, shape), p in zip(shapes.items(), places, strict=True)}
    )
    if missing := way.keys() - weights.keys():
        raise ValueError(f"{min(missing)} is missing")
    same = {
        n for n, t in constant_weights(architecture).items() if n in weights and torch.equal(weights[n], t)
    }
    if extra := weights.keys() - way.keys() - same:
        raise ValueError(f"{min(extra)} is left over")
    flat = torch.empty(sum(sizes))
    for name, place in way.items():
        if weights[name].shape != place.shape:
            found, wanted = tuple(weights[name].shape), tuple(place.shape)
            raise ValueError(f"{name} has shape {found}, not {wanted}")
        flat[place.flatten()] = weights[name].float().flatten()
    return {
        name: part.view(shape) for (name, shape), part in zip(shapes.items(), flat.split(sizes), strict=True)
    }


def constant_weights(architecture: Architecture) -> dict[str, Tensor]:
    """Weights that make the MLP of a transformers class add nothing, for a decoder without MLPs."""
    if architecture.parts.mlp != "none" or model_type(architecture) == OWN:
        return {}
    d, found = architecture.width, {}
    neox = architecture.parts.norm == "layer"
    for i in range(architecture.layers):
        stem = f"{'gpt_neox' if neox else 'model'}.layers.{i}"
        found[f"{stem}.post_attention_layernorm.weight"] = torch.ones(d)
        names = NEOX if neox else LLAMA
        found[f"{stem}.{names['mlp.inner']}.weight"] = torch.zeros(0, d)
        found[f"{stem}.{names['mlp.outer']}.weight"] = torch.zeros(d, 0)
        if neox:
            found[f"{stem}.post_attention_layernorm.bias"] = torch.zeros(d)
            found[f"{stem}.{names['mlp.inner']}.bias"] = torch.zeros(0)
            found[f"{stem}.{names['mlp.outer']}.bias"] = torch.zeros(d)
    return found


def _split_experts(name: str, tensor: Tensor) -> dict[str, Tensor]:
    """One weight under our own name, or one for each expert."""
    stem, _, last = name.rpartition(".")
    if not stem.endswith(".mlp"):
        return {name: tensor}
    return {f"{stem}.experts.{e}.{last}": one for e, one in enumerate(tensor)}


def _convert_weight(architecture: Architecture, name: str, tensor: Tensor) -> dict[str, Tensor]:
    """One weight of ours as what it is in the transformers class of the architecture."""
    neox, gated = architecture.parts.norm == "layer", architecture.parts.mlp == "gated"
    prefix = "gpt_neox." if neox else "model."
    module, _, last = name.rpartition(".")
    if module == "head":
        return {"lm_head.weight": tensor}
    if module == "embedding":
        return {prefix + ("embed_in.weight" if neox else "embed_tokens.weight"): tensor}
    if module == "final_norm":
        return {f"{prefix}{'final_layer_norm' if neox else 'norm'}.{last}": tensor}
    _, layer, part = module.split(".", maxsplit=2)
    stem = f"{prefix}layers.{layer}"
    if part == "attention.joint" and neox:  # there, query, key and value of a head stand together
        three = tensor.view(3, architecture.heads, architecture.head_width, *tensor.shape[1:])
        return {f"{stem}.{NEOX[part]}.{last}": three.transpose(0, 1).reshape(tensor.shape)}
    if part == "attention.joint":
        sizes = [
            n * architecture.head_width
            for n in (architecture.heads, architecture.groups, architecture.groups)
        ]
        return {
            f"{stem}.self_attn.{letter}_proj.{last}": one
            for letter, one in zip("qkv", tensor.split(sizes), strict=True)
        }
    if part == "mlp.inner" and gated:
        gate, up = tensor.chunk(2)
        return {f"{stem}.mlp.gate_proj.{last}": gate, f"{stem}.mlp.up_proj.{last}": up}
    if part == "mlp":  # a tensor with a matrix for each expert
        found = {}
        for e, one in enumerate(tensor):
            names = ("w1", "w3") if last == "inner" else ("w2",)
            for which, matrix in zip(names, one.chunk(len(names)), strict=True):
                found[f"{stem}.block_sparse_moe.experts.{e}.{which}.weight"] = matrix
        return found
    return {f"{stem}.{(NEOX if neox else LLAMA)[part]}.{last}": tensor}
