"""Every class of transformers for causal language models, with fields that make it tiny."""

from dataclasses import fields
from typing import Any

import transformers

HEADS, LAYERS, WIDTH, INNER = 2, 2, 16, 24
# by the name that a field has in whichever class
SIZES: dict[str, Any] = {
    **dict.fromkeys(
        ["hidden_size", "d_model", "n_embd", "emb_dim", "embedding_size", "embedding_dim", "dim"], WIDTH
    ),
    **dict.fromkeys(
        ["word_embed_proj_dim", "input_embedding_size", "output_embedding_size", "lru_width"], WIDTH
    ),
    **dict.fromkeys(["attention_hidden_size", "cross_attention_hidden_size", "backbone_hidden_size"], WIDTH),
    **dict.fromkeys(["num_hidden_layers", "n_layer", "n_layers", "num_layers", "decoder_layers"], LAYERS),
    **dict.fromkeys(["encoder_layers", "num_encoder_layers", "num_decoder_layers", "num_blocks"], LAYERS),
    **dict.fromkeys(["num_attention_heads", "n_head", "n_heads", "num_heads", "attention_heads"], HEADS),
    **dict.fromkeys(["decoder_attention_heads", "encoder_attention_heads"], HEADS),
    **dict.fromkeys(["num_encoder_attention_heads", "num_decoder_attention_heads"], HEADS),
    **dict.fromkeys(["swa_num_attention_heads"], HEADS),
    **dict.fromkeys(["num_key_value_heads", "num_kv_heads", "swa_num_key_value_heads"], 1),
    **dict.fromkeys(
        ["head_dim", "kv_channels", "d_head", "dim_head", "attention_head_size", "swa_head_dim"], 8
    ),
    **dict.fromkeys(["qk_rope_head_dim", "qk_nope_head_dim", "v_head_dim", "q_lora_rank", "kv_lora_rank"], 8),
    **dict.fromkeys(
        ["o_lora_rank", "index_head_dim", "indexer_head_dim", "attention_head_dim", "rotary_dim"], 8
    ),
    **dict.fromkeys(
        ["global_head_dim", "linear_head_dim", "linear_key_head_dim", "linear_value_head_dim"], 8
    ),
    **dict.fromkeys(["intermediate_size", "ffn_dim", "n_inner", "ffn_hidden_size", "decoder_ffn_dim"], INNER),
    **dict.fromkeys(["encoder_ffn_dim", "dff", "dim_ff", "d_inner", "feed_forward_size"], INNER),
    **dict.fromkeys(
        ["intermediate_size_mlp", "dense_intermediate_size", "prefix_dense_intermediate_size"], INNER
    ),
    **dict.fromkeys(["moe_intermediate_size", "expert_ffn_hidden_size", "shared_intermediate_size"], 16),
    **dict.fromkeys(["shared_expert_intermediate_size", "moe_shared_expert_intermediate_size"], 16),
    **dict.fromkeys(["num_experts", "n_routed_experts", "num_local_experts", "moe_num_experts"], 4),
    **dict.fromkeys(["num_experts_per_tok", "moe_topk", "moe_k", "top_k_experts"], 2),
    **dict.fromkeys(["n_shared_experts", "num_shared_experts", "moe_num_shared_experts"], 1),
    **dict.fromkeys(["n_group", "topk_group", "n_groups", "mamba_n_groups", "mamba_ngroups", "o_groups"], 1),
    **dict.fromkeys(["first_k_dense_replace", "num_dense_layers", "moe_layer_start_index"], 1),
    **dict.fromkeys(["linear_num_key_heads"], 1),
    **dict.fromkeys(["linear_num_value_heads", "linear_num_heads", "index_n_heads", "indexer_n_heads"], 2),
    **dict.fromkeys(["state_size", "ssm_state_size", "mamba_d_state", "hidden_size_per_layer_input"], 8),
    **dict.fromkeys(["chunk_size", "mamba_chunk_size"], 8),
    **dict.fromkeys(
        ["laurel_rank", "adapter_rank", "gated_norm_rank", "router_hidden_size", "moe_latent_size"], 4
    ),
}
# what a class needs beside
MAMBA = {"mamba_n_heads": 4, "mamba_d_head": 8}
OTHERS: dict[str, dict[str, Any]] = {
    "BambaConfig": MAMBA,
    "BigBirdConfig": {"attention_type": "original_full"},
    "CodeGenConfig": {"n_head": 4, "rotary_dim": 4},
    "DbrxConfig": {"ffn_config": {"ffn_hidden_size": 24, "moe_num_experts": 4, "moe_top_k": 2}},
    "DiffLlamaConfig": {"num_key_value_heads": 2},
    "GPTNeoConfig": {"attention_types": [[["global", "local"], 1]]},
    "Gemma3nTextConfig": {"num_kv_shared_layers": 0, "vocab_size_per_layer_input": 200},
    "Gemma4TextConfig": {"vocab_size_per_layer_input": 200},
    "GraniteMoeHybridConfig": MAMBA,
    "HYV4Config": {"num_key_value_heads": "absent"},
    "Lfm2MoeConfig": {"layer_types": ["full_attention", "conv"]},
    "Mamba2Config": {"num_heads": 4, "head_dim": 8},
    "Qwen4ExpTextConfig": {"indexer_kv_heads": 1, "indexer_budget": 16, "indexer_compress_ratio": 4},
    "ReformerConfig": {"axial_pos_embds": False},
    "RoCBertConfig": {"enable_shape": False, "enable_pronunciation": False},
    "XmodConfig": {"default_language": "en_XX"},
    "ZambaConfig": {"layers_block_type": ["mamba", "hybrid"]},
    "Zamba2Config": {"layers_block_type": ["mamba", "hybrid"]},
    "ZayaConfig": {"num_experts_per_tok": 1},
    "NemotronHConfig": {
        "layers_block_type": ["mamba", "attention"],
        "mamba_num_heads": 4,
        "mamba_head_dim": 8,
    },
}


def list_classes() -> list[str]:
    """The names of all configuration classes of causal language models."""
    kinds = transformers.MODEL_FOR_CAUSAL_LM_MAPPING
    return sorted({kind.__name__ for kind in kinds if kind.__module__.startswith("transformers.")})


def tiny_fields(name: str) -> dict[str, Any]:
    """Fields that make a class tiny."""
    return _shrink(getattr(transformers, name))


def _shrink(kind: Any) -> dict[str, Any]:
    name = kind.__name__
    known = {field.name for field in fields(kind)}
    found = {field: value for field, value in SIZES.items() if field in known}
    if "kv_lora_rank" in known:  # with as many heads of keys as of queries
        found["num_key_value_heads"] = HEADS
    if "is_decoder" in known:
        found["is_decoder"] = True
    for key, part in kind.sub_configs.items():
        small: dict[str, Any] = {}
        if part is not transformers.AutoConfig:
            small = _shrink(part)
        elif (usual := _usual_part(kind, key)) is not None:
            small = {"model_type": usual.model_type, **_shrink(type(usual))}
        if small and key in known:
            found[key] = small
    return {key: value for key, value in {**found, **OTHERS.get(name, {})}.items() if value != "absent"}


def _usual_part(kind: Any, key: str) -> Any:
    """The configuration that a class has by default within it."""
    try:
        return getattr(kind(), key)
    except Exception:  # of many kinds: some have none
        return None
