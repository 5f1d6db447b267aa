"""Every configuration class of transformers for causal language models: whether it works is what the page says."""

import json
import os

import pytest
from helpers.class_outcomes import PUBLISHED, class_outcome, list_part
from helpers.tiny_classes import list_classes

PARTS = 8
# families that people train small
SMALL_ONES = """Cwm DeepseekV3 GPT2 GPTNeoX Gemma3 Gemma3Text Llama Mamba2 Mistral Mixtral ModernBertDecoder Olmo2 OPT
Olmoe Phi3 Qwen2Moe Qwen3 Qwen3Moe Qwen3_5 Qwen3_5Text Qwen3_5MoeText SmolLM3""".split()


def published() -> dict[str, dict[str, object]]:
    return {one["class"]: one for one in json.loads(PUBLISHED.read_text(encoding="utf-8"))}


def test_the_page_lists_every_class_and_small_families_work() -> None:
    found = published()
    assert list(found) == list_classes()
    assert {name: found[f"{name}Config"]["reason"] for name in SMALL_ONES} == dict.fromkeys(SMALL_ONES)


# all of them take ten minutes: CLASSES=all pytest tests/models/test_every_class.py
@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS if os.environ.get("CLASSES") == "all" else 1))
def test_a_class_works_or_not_as_the_page_says(part: int) -> None:
    found = published()
    for name in list_part(part, PARTS):
        assert class_outcome(name) == found[name]
