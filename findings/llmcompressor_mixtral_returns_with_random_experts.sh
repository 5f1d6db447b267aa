#!/usr/bin/env bash
# llmcompressor 0.14.0.1 and transformers 5.17.0: a Mixtral that the first has quantised and saved is loaded by the
# second with experts drawn at random, other ones each time. A Qwen3-MoE comes back as it was.
#
# Experts are most of the weights: who measures what quantising does to such a model measures a wreck, and no exception
# but a table in the log says so.
# Seen between llmcompressor/modeling/moe, which names the matrices of an expert gate_proj, up_proj and down_proj, and
# transformers/conversion_mapping.py, which looks for w1, w2 and w3 in a Mixtral. Loading it with load_quantizable_moe
# before it is quantised changes nothing.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check llmcompressor==0.14.0.1 transformers==5.17.0 torch==2.13.0
cat > compare.py << 'PYTHON'
import torch
from llmcompressor import oneshot
from llmcompressor.modifiers.quantization import QuantizationModifier
from transformers import AutoModelForCausalLM, MixtralConfig, Qwen3MoeConfig

SIZE = {"hidden_size": 128, "intermediate_size": 128, "num_hidden_layers": 1, "num_attention_heads": 2}
OF_QWEN = {"moe_intermediate_size": 128, "num_experts": 8, "num_experts_per_tok": 2, "head_dim": 64}
COMMON = {"vocab_size": 64, "num_key_value_heads": 2, "initializer_range": 0.1, **SIZE}
ids = torch.arange(20)[None]
apart = {}
for name, config in {"Qwen3-MoE": Qwen3MoeConfig(**COMMON, **OF_QWEN), "Mixtral": MixtralConfig(**COMMON)}.items():
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(name)
    model = AutoModelForCausalLM.from_pretrained(name)
    recipe = QuantizationModifier(targets="Linear", scheme="W8A16", ignore=["lm_head", "re:.*gate$"])
    oneshot(model=model, processor=object(), recipe=recipe)  # no data: rounding to nearest
    with torch.no_grad():
        saved = model(ids).logits
        model.save_pretrained(f"{name}, 8 bits")
        loaded = [AutoModelForCausalLM.from_pretrained(f"{name}, 8 bits")(ids).logits for _ in range(2)]
    apart[name] = [(loaded[0] - other).abs().max().item() for other in (saved, loaded[1])]
    print(f"{name}: logits of the loaded model are up to {apart[name][0]:.1e} from those of the saved one,")
    print(f"and {apart[name][1]:.1e} from those of the same file loaded again")
raise SystemExit(not (max(apart["Qwen3-MoE"]) < 1e-4 and min(apart["Mixtral"]) > 0.1))
PYTHON
venv/bin/python compare.py
