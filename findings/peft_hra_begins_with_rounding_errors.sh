#!/usr/bin/env bash
# peft 0.21.2: HRA with apply_GS=True does not begin with the model that it adapts, as HRA without it does. It begins
# with another one, which rounding errors draw, and the first gradients are ten million times as large.
#
# Who compares the two measures a method that has to repair a wreck first; in double precision it is another wreck.
# Seen in tuners/hra/layer.py: the vectors begin in equal pairs, so that their reflections cancel. Gram-Schmidt takes
# from the second of a pair its part along the first. Rounding errors alone are left, and are scaled to length one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check peft==0.21.2 transformers==5.17.0 torch==2.13.0
cat > compare.py << 'PYTHON'
import torch
from peft import HRAConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

SIZE = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
text = torch.arange(20)[None]
apart, slope, loss = {}, {}, {}
for way in (False, True):
    for precision in (torch.float32, torch.float64):
        torch.manual_seed(0)
        model = LlamaForCausalLM(LlamaConfig(vocab_size=64, initializer_range=0.2, **SIZE))
        plain = model(text).logits.detach()
        config = HRAConfig(target_modules=["q_proj", "down_proj"], apply_GS=way)
        adapted = get_peft_model(model, config).to(precision)
        out = adapted(text, labels=text)
        out.loss.backward()
        gradients = [weight.grad.flatten() for weight in adapted.parameters() if weight.requires_grad]
        case = way, precision
        apart[case] = ((out.logits - plain).abs().max() / plain.abs().max()).item()
        slope[case] = torch.cat(gradients).norm().item()
        loss[case] = out.loss.item()
        print(f"apply_GS={way}, {precision}: untrained logits up to {apart[case]:.1e} of the largest from the base,")
        print(f"a loss of {loss[case]:.4f}, a gradient of norm {slope[case]:.1e}")
single, double = (True, torch.float32), (True, torch.float64)
right = all(apart[False, kind] < 1e-5 and slope[False, kind] < 100 for _, kind in (single, double))
wrong = all(apart[case] > 0.1 and slope[case] > 1e5 for case in (single, double))
raise SystemExit(not (right and wrong and abs(loss[single] - loss[double]) > 1e-3))
PYTHON
venv/bin/python compare.py
