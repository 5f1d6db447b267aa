#!/usr/bin/env bash
# llmcompressor 0.14.0.1 with transformers 5.17.0: oneshot calibrates a Mistral without its causal mask. GPTQ, like all
# that needs data, fits the weights to inputs that no text has: each token has read those that come after it.
#
# So it does with Mixtral, Phi-3, Starcoder2 and Qwen3-MoE, and not with Llama or Qwen2; no warning. Who compares what
# quantising costs these models compares masks as well. pipeline="basic" keeps the mask.
# Seen in pipelines/sequential/ast_utils/auto_wrapper.py, visit_Call: before a model is traced, calls that make masks
# are set apart by the function they call, if the module knows its name. These models call theirs mask_function, a local
# variable; that this name is in the list of tracing_ignore does not help.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check llmcompressor==0.14.0.1 transformers==5.17.0 torch==2.13.0
cat > compare.py << 'PYTHON'
import torch
from llmcompressor import oneshot
from llmcompressor.modifiers.gptq import GPTQModifier
from torch.utils.data import DataLoader
from transformers import AutoModelForCausalLM, LlamaConfig, MistralConfig

SIZE = {"hidden_size": 128, "intermediate_size": 128, "num_hidden_layers": 1, "num_attention_heads": 2}


def calibration_inputs(name: str, tokens: torch.Tensor, **pipeline: str) -> torch.Tensor:
    """What the attention of the first layer gives its last matrix while oneshot calibrates it."""
    model = AutoModelForCausalLM.from_pretrained(name)
    seen = []
    model.model.layers[0].self_attn.o_proj.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    rows = DataLoader([{"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}])
    recipe = GPTQModifier(targets="Linear", scheme="W8A16", ignore=["lm_head"])
    oneshot(model=model, processor=object(), dataset=rows, recipe=recipe, **pipeline)
    return seen[0]


text = torch.arange(20)
other = torch.cat([text[:-1], torch.tensor([42])])
moved = []
for name, kind in {"Llama": LlamaConfig, "Mistral": MistralConfig}.items():
    torch.manual_seed(0)
    config = kind(vocab_size=64, num_key_value_heads=2, initializer_range=0.3, **SIZE)
    AutoModelForCausalLM.from_config(config).save_pretrained(name)
    for pipeline in ({"pipeline": "basic"}, {}):
        first, second = (calibration_inputs(name, tokens, **pipeline) for tokens in (text, other))
        moved.append((first - second)[0, :-1].abs().max().item())
        print(f"{name}, {pipeline or 'by default'}: another last token moves earlier inputs by up to {moved[-1]:.1e}")
raise SystemExit(not (max(moved[:3]) < 1e-4 and moved[3] > 0.1))
PYTHON
venv/bin/python compare.py
