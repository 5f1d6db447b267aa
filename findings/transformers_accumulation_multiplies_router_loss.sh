#!/usr/bin/env bash
# Transformers 5.17.0: the Trainer adds up the balance loss of a mixture of experts over micro-batches without dividing
# it, so gradient_accumulation_steps=4 trains with four times the router_aux_loss_coef that the configuration states.
#
# Who fits a batch into less memory by accumulating trains another model than one whose batch fits at once.
# Seen in trainer.py, training_step, and the forward of Mixtral and its kin: cross entropy is divided by the tokens of
# all micro-batches (num_items_in_batch), so the Trainer no longer divides the loss by their number, but the router's
# loss is a mean of each. https://github.com/huggingface/transformers/issues/48690 tells of the same with processes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check transformers==5.17.0 accelerate==1.15.0 torch==2.13.0
cat > compare.py << 'PYTHON'
import torch
from transformers import MixtralConfig, MixtralForCausalLM, Trainer, TrainingArguments

SIZE = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 8}
COMMON = {"max_steps": 1, "optim": "sgd", "learning_rate": 1.0, "lr_scheduler_type": "constant", "max_grad_norm": 0}
QUIET = {"use_cpu": True, "disable_tqdm": True, "report_to": "none", "save_strategy": "no"}


def router_update(steps: int, coefficient: float) -> torch.Tensor:
    """What one step of SGD on the same four rows, all alike, takes from the router's weights."""
    torch.manual_seed(0)
    config = MixtralConfig(vocab_size=64, output_router_logits=True, router_aux_loss_coef=coefficient, **SIZE)
    model = MixtralForCausalLM(config)
    row = torch.randint(64, (16,)).tolist()
    sizes = {"per_device_train_batch_size": 4 // steps, "gradient_accumulation_steps": steps}
    router = model.model.layers[0].mlp.gate.weight
    before = router.detach().clone()
    rows = [{"input_ids": row, "labels": row}] * 4
    Trainer(model, TrainingArguments("out", **sizes, **COMMON, **QUIET), train_dataset=rows).train()
    return before - router.detach()


plain = {steps: router_update(steps, 0.0) for steps in (1, 4)}
share = {steps: router_update(steps, 0.5) - plain[steps] for steps in (1, 4)}
cross_entropy, balance = ((found[4].norm() / found[1].norm()).item() for found in (plain, share))
print(f"in 4 steps rather than 1, cross entropy moves the router {cross_entropy:.3f} times as far")
print(f"and the balance loss {balance:.3f} times as far")
raise SystemExit(not (abs(cross_entropy - 1) < 0.01 and abs(balance - 4) < 0.04))
PYTHON
venv/bin/python compare.py
