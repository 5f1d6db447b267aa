#!/usr/bin/env bash
# x-transformers 2.31.10: a Decoder with orthog_residual=True or attn_orthog_projected_values=True (per head too) is not
# causal: a change of the last token changes what is predicted at all places before it.
#
# Who trains such a language model measures a loss too low, for what it has to predict leaks into what it reads; what is
# generated, without the tokens to come, then comes from another function. No warning.
# Seen in x_transformers.py, orthog_project: pack([x], 'b *') makes one long vector of all tokens of a text, and what is
# taken away is its part along another such vector. Taken of each token by itself, along the last axis, it is causal.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check x-transformers==2.31.10 torch==2.13.0
cat > compare.py << 'PYTHON'
import torch
from x_transformers import Decoder, TransformerWrapper

OPTIONS = ["orthog_residual", "attn_orthog_projected_values", "attn_orthog_projected_values_per_head"]
text = torch.arange(20)[None]
changed = text.clone()
changed[0, -1] = 40
moved = {}
for option in [None, *OPTIONS]:
    torch.manual_seed(0)
    layers = Decoder(dim=32, depth=2, heads=4, attn_dim_head=8, **({option: True} if option else {}))
    model = TransformerWrapper(num_tokens=50, max_seq_len=32, attn_layers=layers).eval()
    with torch.no_grad():
        for weight in model.parameters():  # as after training: the last layers begin at zero
            weight.add_(torch.randn_like(weight) * 0.1)
        moved[option] = (model(text) - model(changed))[:, :-1].abs().max().item()
    print(f"{option or 'neither'}: the last token moves the logits of earlier places by up to {moved[option]:.1e}")
raise SystemExit(not (moved[None] == 0 and min(moved[option] for option in OPTIONS) > 1e-3))
PYTHON
venv/bin/python compare.py
