#!/usr/bin/env bash
# lm-evaluation-harness 0.4.13: in a task of multiple choice, doc_to_target: "{{answer}}" is a text to look up among the
# choices, unless its letters are all digits; then it is a position in them. doc_to_target: answer never is one.
#
# Who asks for sums, years or counts gets the accuracy against a wrong key: a model that is always right has half here.
# Seen in api/task.py, doc_to_target: what a template yields becomes an int if isdigit(), whatever the choices hold.
# The guide to new tasks has a target be a text or a position, and does not say that a text of digits is a position.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check lm_eval==0.4.13 datasets==5.2.0 torch==2.13.0
cat > compare.py << 'PYTHON'
import json

import lm_eval
from lm_eval.api.model import LM

WORDS = {"0": "nil", "1": "one", "2": "two", "3": "three", "9": "nine"}
ROWS = [("0+0", "0", "109"), ("0+1", "1", "219"), ("1+0", "1", "219"), ("1+1", "2", "329")]  # sum, answer, choices
TASK = {"dataset_path": "json", "test_split": "test", "output_type": "multiple_choice", "doc_to_text": "sum"}


class Sure(LM):
    """A model that gives all its probability to the right answer."""

    def loglikelihood(self, requests):
        right = [asked.args[1].strip() == key[asked.args[0]] for asked in requests]
        return [(0.0 if it_is else -100.0, it_is) for it_is in right]

    generate_until = loglikelihood_rolling = None  # such a task asks for neither


found = []
for kind, say in {"digits": str, "words": WORDS.get}.items():
    rows = [{"sum": s, "answer": say(answer), "choices": [say(c) for c in choices]} for s, answer, choices in ROWS]
    key = {row["sum"]: row["answer"] for row in rows}
    with open(f"{kind}.json", "w") as file:
        json.dump(rows, file)
    for target in ("answer", "{{answer}}"):
        files, asked = {"data_files": {"test": f"{kind}.json"}}, {"doc_to_target": target, "doc_to_choice": "choices"}
        task = {"task": kind, "dataset_kwargs": files, **TASK, **asked}
        scores = lm_eval.simple_evaluate(Sure(), tasks=[task], bootstrap_iters=0)
        found.append(scores["results"][kind]["acc,none"])
        print(f"{kind}, doc_to_target: {target} gives an accuracy of {found[-1]}")
raise SystemExit(found != [1.0, 0.5, 1.0, 1.0])
PYTHON
HF_HOME=$folder venv/bin/python compare.py
