#!/usr/bin/env bash
# Transformers 5.17.0: documents packed into one row are kept apart by position_ids that begin anew, but only with
# use_cache=False. By default (use_cache=True) each reads those before it, in training mode too, and nothing says so.
#
# Who measures the loss or the memory of packed documents by calling the model gets numbers of another text than theirs.
# Seen in masking_utils.py: packing is looked for only where past_key_values is None, and the models make an empty cache
# before they ask for the mask. The page on padding-free training advises FlashAttention and is silent on the cache;
# the Trainer turns the cache off.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check transformers==5.17.0 torch==2.13.0
cat > compare.py << 'PYTHON'
import torch
from transformers import LlamaConfig, LlamaForCausalLM

torch.manual_seed(0)
sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
model = LlamaForCausalLM(LlamaConfig(vocab_size=64, initializer_range=0.3, **sizes))
first, second = torch.randint(64, (2, 1, 12))
packed = torch.cat([first, second], dim=1)
positions = torch.cat([torch.arange(12), torch.arange(12)])[None]
apart = {}
for cache in (None, True, False):
    for training in (True, False):
        model.train(training)
        with torch.no_grad():
            alone = model(second).logits
            found = model(packed, position_ids=positions, use_cache=cache).logits[:, 12:]
        apart[cache, training] = (found - alone).abs().max().item()
        state = "training" if training else "evaluation"
        print(f"use_cache={cache}, {state}: logits up to {apart[cache, training]:.1e} from those of the text alone")
leaks = all(found > 1 for (cache, _), found in apart.items() if cache is not False)
raise SystemExit(not (leaks and max(apart[False, True], apart[False, False]) < 1e-4))
PYTHON
venv/bin/python compare.py
