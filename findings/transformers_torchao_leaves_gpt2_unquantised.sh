#!/usr/bin/env bash
# Transformers 5.17.0 with torchao 0.18.0: a GPT-2 loaded with a TorchAoConfig is not quantised at all, while its
# configuration, and that of what it saves, says that it is. A LLaMA loaded in the same way is quantised.
#
# Who compares how small models bear few bits finds that GPT-2 loses nothing whatever, here at two bits, and no warning.
# Seen in quantizers/quantizer_torchao.py, param_needs_quantization: weights of nn.Linear alone are taken, without the
# head; all other matrices of a GPT-2 are in transformers' own Conv1D, which the quantizer of bitsandbytes knows of.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
packages="transformers==5.17.0 torchao==0.18.0 accelerate==1.15.0 torch==2.13.0"
venv/bin/pip install --quiet --disable-pip-version-check $packages
cat > compare.py << 'PYTHON'
import json

import torch
from torchao.quantization import IntxWeightOnlyConfig, PerGroup
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, TorchAoConfig

LLAMA = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
GPT2 = {"n_embd": 64, "n_layer": 2, "n_head": 2}
COMMON = {"vocab_size": 64, "bos_token_id": 0, "eos_token_id": 0, "initializer_range": 0.1}
TWO_BITS = TorchAoConfig(IntxWeightOnlyConfig(weight_dtype=torch.int2, granularity=PerGroup(32)))
ids = torch.arange(20)[None]
apart, claims = {}, {}
for name, config in {"LLaMA": LlamaConfig(**COMMON, **LLAMA), "GPT-2": GPT2Config(**COMMON, **GPT2)}.items():
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(name)
    plain = AutoModelForCausalLM.from_pretrained(name)
    quantised = AutoModelForCausalLM.from_pretrained(name, quantization_config=TWO_BITS)
    with torch.no_grad():
        apart[name] = (quantised(ids).logits - plain(ids).logits).abs().max().item()
    quantised.save_pretrained(f"{name}, two bits")
    with open(f"{name}, two bits/config.json") as file:
        claims[name] = json.load(file).get("quantization_config", {}).get("quant_method")
    print(f"{name}: config.json says {claims[name]}; logits are up to {apart[name]:.1e} from the unquantised model's")
raise SystemExit(not (apart["LLaMA"] > 0.1 and apart["GPT-2"] == 0 and set(claims.values()) == {"torchao"}))
PYTHON
venv/bin/python compare.py
