#!/usr/bin/env bash
# Transformers 5.17.0: num_parameters(exclude_embeddings=True) of an XLM-RoBERTa or a CamemBERT that predicts words
# counts their embeddings all the same: 278 million, where 86 are outside embeddings. That of a RoBERTa is right.
#
# Who divides by parameters without embeddings, as scaling laws do, is wrong by a factor of three. The Trainer's
# total_flos is too: it takes six times this number for each token.
# Seen in modeling_utils.py: the weights to leave out are known by name, but a tied weight is listed under one name,
# that of the module which was made first. These two make the head before the body, so it is called lm_head's.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check transformers==5.17.0 torch==2.13.0
cat > compare.py << 'PYTHON'
import torch
import transformers

SIZE = {"vocab_size": 250002, "max_position_embeddings": 514, "type_vocab_size": 1}  # as published
times = {}
for family in ("Roberta", "XLMRoberta", "Camembert"):
    for head in ("ForMaskedLM", "ForCausalLM"):
        name = family + head
        kind = getattr(transformers, name)
        config = kind.config_class(is_decoder=head == "ForCausalLM", **SIZE)
        with torch.device("meta"):  # shapes alone: no memory is needed
            model = kind(config)
        tables = {module.weight for module in model.modules() if isinstance(module, torch.nn.Embedding)}
        parameters = sum(weight.numel() for weight in model.parameters())
        outside = parameters - sum(table.numel() for table in tables)
        counted = model.num_parameters(exclude_embeddings=True)
        times[name] = counted / outside
        print(f"{name}: {parameters:,} parameters, {outside:,} outside embeddings; counted: {counted:,}")
right = all(times[name] == 1 for name in times if name.startswith("Roberta"))
wrong = all(times[name] > 3 for name in times if not name.startswith("Roberta"))
raise SystemExit(not (right and wrong))
PYTHON
venv/bin/python compare.py
