#!/usr/bin/env bash
# CTranslate2 4.8.5: a LLaMA whose hidden_act is gelu is converted without a word, and computed with SiLU all the same.
#
# Seen in python/ctranslate2/converters/transformers.py: the loaders of LLaMA and Mistral write SWISH into every model and
# never look at config.hidden_act, where those of other architectures refuse what they do not know.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check ctranslate2==4.8.5 transformers==4.57.6 torch==2.13.0
cat > compare.py << 'PYTHON'
import ctranslate2
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

WORDS = ["<unk>", "<s>", *(f"w{i}" for i in range(30))]
words = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
SPECIAL = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "<s>"}
PreTrainedTokenizerFast(tokenizer_object=words, **SPECIAL).save_pretrained("model")
SIZE = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
text = WORDS[1:20]
apart = {}
for activation in ("silu", "gelu"):
    torch.manual_seed(0)
    config = LlamaConfig(vocab_size=len(WORDS), hidden_act=activation, initializer_range=0.3, **SIZE)
    model = LlamaForCausalLM(config).eval()
    model.save_pretrained("model")
    ctranslate2.converters.TransformersConverter("model").convert("converted", force=True)
    found = ctranslate2.Generator("converted").score_batch([text])[0].log_probs
    ids = torch.tensor([[WORDS.index(word) for word in text]])
    with torch.no_grad():
        expected = model(ids).logits.log_softmax(-1)[0, :-1].gather(1, ids[0, 1:, None])[:, 0]
    apart[activation] = (torch.tensor(found) - expected).abs().max().item()
    print(f"{activation}: log-probabilities are up to {apart[activation]:.1e} nats from those of transformers")
raise SystemExit(not (apart["silu"] < 1e-4 and apart["gelu"] > 0.1))
PYTHON
venv/bin/python compare.py
