#!/usr/bin/env bash
# Transformers 5.17.0: a Mamba, FalconMamba or Jamba that gets its cache back with more than one new token forgets the
# state that is in it. The tokens are read as if the text began there; Mamba-2, and one token at a time, are right.
#
# Who measures the loss of a long text in chunks, or reads a prompt in chunks, gets numbers of another text. No warning.
# Seen in modeling_mamba.py, forward: recurrent_state is taken from the cache, but only the branch for seq_len == 1 uses
# it; mamba_selective_scan begins at zero, and its end then replaces what was kept. The convolution does go on.
# Mamba-2 had the like: https://github.com/huggingface/transformers/issues/46032
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check transformers==5.17.0 torch==2.13.0
cat > compare.py << 'PYTHON'
import torch
from transformers import AutoModelForCausalLM, FalconMambaConfig, JambaConfig, Mamba2Config, MambaConfig

SIZE = {"vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 2}
HEADS = {"num_heads": 8, "head_dim": 8, "n_groups": 1, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}
HALF = {"attn_layer_period": 2, "attn_layer_offset": 1, "num_attention_heads": 2, "num_key_value_heads": 2}
SLOW = {"use_mamba_kernels": False, "intermediate_size": 64, "num_experts": 2}
text = torch.arange(1, 31)[None]
apart = {}
first = [MambaConfig(**SIZE), FalconMambaConfig(**SIZE), JambaConfig(**SIZE, **HALF, **SLOW)]
for config in [*first, Mamba2Config(**SIZE, **HEADS)]:
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for weight in model.parameters():  # weights of a trained model are larger than those it begins with
            weight.add_(torch.randn_like(weight) * 0.3)
        whole = model(text, use_cache=False).logits[:, 15:]
        for size in (1, 15):
            key = "past_key_values" if config.model_type == "jamba" else "cache_params"
            cache, found = model(text[:, :15], use_cache=True)[key], []
            for start in range(15, 30, size):
                out = model(text[:, start : start + size], use_cache=True, **{key: cache})
                cache = out[key]
                found.append(out.logits)
            off = (torch.cat(found, dim=1) - whole).abs().max() / whole.abs().max()
            apart[config.model_type, size] = off.item()
            print(f"{config.model_type}, {size} at a time: logits up to {off:.1e} of the largest from those at once")
wrong = min(apart[config.model_type, 15] for config in first) > 0.01
right = max(off for (kind, size), off in apart.items() if size == 1 or kind == "mamba2") < 1e-4
raise SystemExit(not (wrong and right))
PYTHON
venv/bin/python compare.py
