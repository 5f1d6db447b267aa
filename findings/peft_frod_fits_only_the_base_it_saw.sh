#!/usr/bin/env bash
# peft 0.21.2: an adapter of FRoD or AdaMSS that was trained on a model in float32 is noise on the same model in
# bfloat16 or float16. What it learnt is gone: its loss is that of no training at all. One of LoRA or OFT loses nothing.
#
# Who trains in one precision and measures in another, as is usual, measures a wreck, and no warning says so. FRoD's
# save_projection (True by default) "guarantees that we can reload the adapter on all system configurations".
# Seen in tuners/frod/layer.py: the matrix U is computed from the weights at hand with a basis V computed from them, and
# stays so when the V of the file is loaded; a little rounding turns or reorders the columns of V. AdaMSS (layer.py,
# update_layer) clusters the rows of the weights at hand again, and does not save which rows its matrices belong to.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
packages="peft==0.21.2 transformers==5.17.0 scikit-learn==1.9.0 torch==2.13.0"
venv/bin/pip install --quiet --disable-pip-version-check $packages
cat > compare.py << 'PYTHON'
import torch
from peft import AdamssConfig, FrodConfig, LoraConfig, OFTConfig, PeftModel, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

SIZE = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
WHERE = {"target_modules": ["q_proj", "v_proj", "down_proj"]}
METHODS = {
    "LoRA": LoraConfig(**WHERE),
    "OFT": OFTConfig(oft_block_size=8, **WHERE),
    "FRoD": FrodConfig(progressbar=False, **WHERE),
    "AdaMSS": AdamssConfig(subspace_rank=4, **WHERE),
}
torch.set_num_threads(1)  # faster for matrices so small
torch.manual_seed(0)
text = torch.randperm(64)[None]
LlamaForCausalLM(LlamaConfig(vocab_size=64, initializer_range=0.1, **SIZE)).save_pretrained("base")
plain = LlamaForCausalLM.from_pretrained("base")
nothing = plain(text, labels=text).loss.item()
print(f"without an adapter: a loss of {nothing:.2f}")
loss = {}
for name, config in METHODS.items():
    torch.manual_seed(1)
    model = get_peft_model(LlamaForCausalLM.from_pretrained("base", dtype=torch.float32), config)
    optimiser = torch.optim.Adam([weight for weight in model.parameters() if weight.requires_grad], lr=1e-2)
    for _ in range(200):
        optimiser.zero_grad()
        model(text, labels=text).loss.backward()
        optimiser.step()
    model.save_pretrained(name)
    for precision in (torch.float32, torch.bfloat16, torch.float16):
        base = LlamaForCausalLM.from_pretrained("base", dtype=precision)
        with torch.no_grad():
            loss[name, precision] = PeftModel.from_pretrained(base, name)(text, labels=text).loss.item()
        print(f"{name}, trained in torch.float32, loaded into {precision}: a loss of {loss[name, precision]:.2f}")
full = torch.float32
learnt = all(loss[name, full] < 0.3 * nothing for name in METHODS)
kept = all(abs(loss[name, kind] - loss[name, full]) < 0.1 for name, kind in loss if name in ("LoRA", "OFT"))
lost = all(loss[name, kind] > 0.8 * nothing for name, kind in loss if name in ("FRoD", "AdaMSS") and kind != full)
raise SystemExit(not (learnt and kept and lost))
PYTHON
venv/bin/python compare.py
