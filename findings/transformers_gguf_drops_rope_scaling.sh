#!/usr/bin/env bash
# Transformers 5.17.0 with gguf 0.19.0: from_pretrained(gguf_file=...) of a LLaMA drops the scaling of its rotary
# positions, be it rope.scaling.* of the metadata or the tensor rope_freqs (Llama 3.1 and later), without a word.
#
# Who measures such a GGUF file, or trains on from it, has a model with other positions than those it was trained with.
# Seen in integrations/ggml.py: of what a llama says of these positions, the table has dimension_count and freq_base;
# modeling_gguf_pytorch_utils.py passes over tensors that are no parameter of the model.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
packages="transformers==5.17.0 gguf==0.19.0 accelerate==1.15.0 torch==2.13.0"
venv/bin/pip install --quiet --disable-pip-version-check $packages
cat > compare.py << 'PYTHON'
import gguf
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

SIZE = {"vocab_size": 64, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
SAME = {"vocab_size": 64, "embedding_length": 32, "feed_forward_length": 64, "block_count": 1, "head_count": 2}
MORE = {"head_count_kv": 2, "layer_norm_rms_eps": 1e-6, "rope_dimension_count": 16, "rope_freq_base": 10000.0}
LLAMA3 = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32}
NAMES = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, 1)
ids = torch.arange(40)[None]
apart = {}
for kind, more in {"default": {}, "linear": {"factor": 8.0}, "llama3": LLAMA3}.items():
    torch.manual_seed(0)
    rope = {"rope_type": kind, "rope_theta": 10000.0, **more}
    model = LlamaForCausalLM(LlamaConfig(initializer_range=0.3, rope_parameters=rope, **SIZE)).eval()
    file = gguf.GGUFWriter("model.gguf", "llama")
    for field, value in {**SAME, **MORE}.items():
        getattr(file, f"add_{field}")(value)
    if kind == "linear":
        file.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        file.add_rope_scaling_factor(8.0)
    elif kind == "llama3":
        unscaled = 10000.0 ** -(torch.arange(0, 16, 2) / 16)
        file.add_tensor("rope_freqs.weight", (unscaled / model.model.rotary_emb.inv_freq).numpy())
    for name, weight in model.state_dict().items():
        if "q_proj" in name or "k_proj" in name:  # GGUF has the two numbers that are rotated together side by side
            weight = weight.view(2, 2, 8, 32).transpose(1, 2).reshape(32, 32)
        file.add_tensor(NAMES.get_name(name, try_suffixes=[".weight"]), weight.numpy())
    file.write_header_to_file(), file.write_kv_data_to_file(), file.write_tensors_to_file(), file.close()
    loaded = AutoModelForCausalLM.from_pretrained(".", gguf_file="model.gguf", dtype=torch.float32).eval()
    with torch.no_grad():
        apart[kind] = (loaded(ids).logits - model(ids).logits).abs().max().item()
    print(f"{kind}: loads as {loaded.config.rope_parameters}, logits are up to {apart[kind]:.1e} from the model's")
raise SystemExit(not (apart["default"] < 1e-4 and min(apart["linear"], apart["llama3"]) > 0.1))
PYTHON
venv/bin/python compare.py
