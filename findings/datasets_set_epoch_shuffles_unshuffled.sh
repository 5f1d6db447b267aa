#!/usr/bin/env bash
# datasets 5.2.0: set_epoch(1) shuffles the shards of an IterableDataset on which nobody called shuffle. Texts in an
# order, easy ones before hard ones, come in it in epoch 0 alone. After take(), and in 4.4.1, they always do.
#
# The Trainer and accelerate call set_epoch by themselves. Who repeats a fixed order, or compares it with a shuffled
# one, trains on something else from the second epoch on, and no warning says so.
# Seen in iterable_dataset.py, _prepare_ex_iterable_for_iteration: in all epochs but 0 the sources are shuffled with
# the epoch as the seed; whether shuffle was called is not asked.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check datasets==5.2.0
cat > compare.py << 'PYTHON'
from datasets import Dataset, concatenate_datasets


def rows(kind: str):
    return Dataset.from_dict({"text": [f"{kind}{i}" for i in range(8)]}).to_iterable_dataset(num_shards=4)


ordered = concatenate_datasets([rows("easy"), rows("hard")])
moved, same = [], []
for name, dataset in {"never shuffled": ordered, "its first 16 of 16": ordered.take(16)}.items():
    orders = []
    for epoch in range(4):
        dataset.set_epoch(epoch)
        orders.append([row["text"] for row in dataset])
        print(f"{name}, epoch {epoch}: {' '.join(orders[-1])}")
    moved.append([order != orders[0] for order in orders])
    same.append(all(sorted(order) == sorted(orders[0]) for order in orders))
raise SystemExit(not (moved == [[False, True, True, True], [False] * 4] and all(same)))
PYTHON
HF_HOME=$folder venv/bin/python compare.py
