#!/usr/bin/env bash
# Transformers 5.17.0: RoFormerForCausalLM, RemBertForCausalLM, MegatronBertForCausalLM and BigBirdForCausalLM read the
# tokens to come, with is_decoder=True too, as their documentation asks. BertLMHeadModel of the same sizes does not.
#
# Who trains them as language models measures a loss near zero, for each place sees the token it has to predict.
# Seen in modeling_roformer.py and its like: the mask comes from create_bidirectional_mask whatever is_decoder says.
# https://github.com/huggingface/transformers/issues/48745 tells of it, since 5.9.0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check transformers==5.17.0 torch==2.13.0
cat > compare.py << 'PYTHON'
import torch
import transformers

SIZE = {"vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
IDS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "sep_token_id": 2}
CAUSAL = [f"{family}ForCausalLM" for family in ("RoFormer", "RemBert", "MegatronBert", "BigBird")]
text = torch.arange(10, 30)[None]
changed = text.clone()
changed[0, -1] = 40
moved = {}
for kind in ["BertLMHeadModel", *CAUSAL]:
    torch.manual_seed(0)
    kind_of_model = getattr(transformers, kind)
    config = kind_of_model.config_class(is_decoder=True, initializer_range=0.3, **SIZE, **IDS)
    model = kind_of_model(config).eval()
    with torch.no_grad():
        moved[kind] = (model(text).logits - model(changed).logits)[:, :-1].abs().max().item()
    print(f"{kind}: the last token moves the logits of earlier places by up to {moved[kind]:.1e}")
raise SystemExit(not (moved.pop("BertLMHeadModel") == 0 and min(moved.values()) > 1e-2))
PYTHON
venv/bin/python compare.py
