"""A run's folder in transformers, as other programs use it: prompts, batches of unequal length, unknown words."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from knowledge_capacity.data import corpus, tokenizer
from knowledge_capacity.data.pieces import DOMAIN_TOKEN, END_OF_TEXT
from knowledge_capacity.models import auto, store
from knowledge_capacity.models.build import build_model
from knowledge_capacity.specs import FAMILIES, Architecture, BioS, Experts, Pools, Recipe, Run
from tokenizers import Tokenizer, models, pre_tokenizers
from torch.nn.functional import cross_entropy
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DataCollatorForLanguageModeling,
    DataCollatorWithFlattening,
    Trainer,
    TrainingArguments,
    pipeline,
)

POOLS = Pools(5, 5, 6, birth_years=4, cities=8, universities=6, majors=5, employers=9)
BIOS = BioS(n_people=30, pools=POOLS, templates=7)
TEXTS = ["".join(pieces) for pieces in corpus.sample_biographies(BIOS)[:10]]
WINDOW = 96
SHAPES: dict[str, Architecture] = {
    name: Architecture(layers=2, heads=2, width=16, family=name) for name in FAMILIES
}
SHAPES["mixtral"] = Architecture(
    layers=2, heads=2, width=16, family="llama", experts=Experts(number=4, top_k=2)
)
EVERY = pytest.mark.parametrize("name", SHAPES)


def word_tokenizer() -> Tokenizer:
    return tokenizer.make_word_tokenizer(corpus.vocabulary_texts(BIOS))


def save_run(folder: Path, shape: Architecture, tokens: Tokenizer) -> torch.nn.Module:
    """A run whose weights are large enough for every token to count."""
    run = Run(BIOS, shape, Recipe(exposures=1, lr=1e-3, window=WINDOW), seed=0)
    model = build_model(shape, tokenizer.embedding_rows(tokens), WINDOW, 0).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.15 * torch.randn(parameter.shape, generator=generator))
    store.write_model(folder, model, run, tokens.get_vocab()[END_OF_TEXT])
    tokenizer.write_run_tokenizer(folder, tokens)
    return model


@EVERY
@torch.no_grad()
def test_texts_filled_up_to_one_length_have_the_probabilities_that_they_have_alone(
    tmp_path: Path, name: str
) -> None:
    assert auto  # which registers GPT-2 with experts
    ours, tokens = save_run(tmp_path, SHAPES[name], word_tokenizer()), word_tokenizer()
    theirs: Any = AutoModelForCausalLM.from_pretrained(tmp_path)
    told: Any = AutoTokenizer.from_pretrained(tmp_path)
    batch = told([TEXTS[0][: TEXTS[0].index(".")], *TEXTS], padding=True, return_tensors="pt")
    assert not batch.attention_mask.all()
    chances = theirs(batch.input_ids, attention_mask=batch.attention_mask).logits.log_softmax(dim=-1)
    for text, row, mask, found in zip(
        TEXTS, batch.input_ids[1:], batch.attention_mask.bool()[1:], chances[1:], strict=True
    ):
        ids = [0, *tokens.encode(text, add_special_tokens=False).ids]
        assert row[mask].tolist() == ids
        expected = ours(torch.tensor([ids]))
        expected = expected[0] if isinstance(expected, tuple) else expected
        torch.testing.assert_close(found[mask], expected[0].log_softmax(dim=-1), atol=2e-4, rtol=0)


@pytest.mark.parametrize("name", ["gpt2", "mistral", "gpt2-moe", "mixtral"])
def test_a_pipeline_continues_prompts_in_a_batch_as_it_does_alone(tmp_path: Path, name: str) -> None:
    save_run(tmp_path, SHAPES[name], word_tokenizer())
    generate: Any = pipeline("text-generation", model=str(tmp_path))
    prompts = [" ".join(text.split(" ")[: 2 + 3 * i]) for i, text in enumerate(TEXTS[:4])]
    how = {"max_new_tokens": 5, "do_sample": False, "return_full_text": False}
    assert generate(prompts, batch_size=3, **how) == [generate(prompt, **how) for prompt in prompts]


@torch.no_grad()
def test_a_trainer_finds_the_loss_of_texts_in_batches_and_packed(tmp_path: Path) -> None:
    ours = save_run(tmp_path, SHAPES["gpt2"], word_tokenizer())
    tokens: Any = AutoTokenizer.from_pretrained(tmp_path)
    rows = [tokens(f"{text}{END_OF_TEXT}").input_ids for text in TEXTS]
    nats = [
        cross_entropy(ours(torch.tensor([row]))[0, :-1], torch.tensor(row[1:]), reduction="none")
        for row in rows
    ]

    def evaluate(collator: Any, texts: list[dict[str, list[int]]]) -> float:
        model: Any = AutoModelForCausalLM.from_pretrained(tmp_path)
        how = TrainingArguments(
            str(tmp_path / "trainer"), per_device_eval_batch_size=4, report_to=[], use_cpu=True
        )
        found = Trainer(model, how, eval_dataset=texts, data_collator=collator).evaluate()
        return float(found["eval_loss"])

    texts = [{"input_ids": row} for row in rows[:4]]
    padded = evaluate(DataCollatorForLanguageModeling(tokens, mlm=False), texts)
    assert padded == pytest.approx(float(torch.cat([one[:-1] for one in nats[:4]]).mean()), abs=1e-5)
    own = [{**text, "labels": [-100, *text["input_ids"][1:]]} for text in texts]
    packed = evaluate(DataCollatorWithFlattening(), own)
    assert packed == pytest.approx(float(torch.cat(nats[:4]).mean()), abs=1e-5)
    assert abs(packed - padded) > 1e-3  # padding is no target, and so the end of a text is none


def test_special_tokens_stand_before_a_text_only(tmp_path: Path) -> None:
    tokens = word_tokenizer()
    tokens.add_special_tokens([DOMAIN_TOKEN])
    tokenizer.write_run_tokenizer(tmp_path, tokens)
    theirs: Any = AutoTokenizer.from_pretrained(tmp_path)
    assert theirs("").input_ids == [0]
    assert theirs(TEXTS[0]).input_ids == [0, *tokens.encode(TEXTS[0]).ids]
    assert theirs(f"{DOMAIN_TOKEN}{TEXTS[0]}").input_ids[:2] == [0, tokens.get_vocab_size() - 1]
    assert theirs(TEXTS[0], add_special_tokens=False).input_ids == tokens.encode(TEXTS[0]).ids
    # nothing was added to the vocabulary, and nothing stands for a word that is not there
    assert len(theirs) == tokens.get_vocab_size()
    assert theirs.pad_token_id == theirs.eos_token_id == theirs.bos_token_id == 0
    assert theirs.unk_token is None
    # the study reads the same tokens from it as before
    again = tokenizer.read_tokenizer(tmp_path / "tokenizer.json")
    assert again.get_vocab() == tokens.get_vocab()
    assert again.encode(TEXTS[1], add_special_tokens=False).ids == tokens.encode(TEXTS[1]).ids


def cut_down_tokenizer() -> Tokenizer:
    """Byte pairs from elsewhere that know the letters of the texts alone."""
    alphabet = {token: i for i, token in enumerate(pre_tokenizers.ByteLevel.alphabet())}
    found = Tokenizer(models.BPE(alphabet, []))
    found.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return tokenizer.trim_tokenizer(found, TEXTS)


@pytest.mark.parametrize("make", [word_tokenizer, cut_down_tokenizer])
def test_unknown_words_are_refused(tmp_path: Path, make: Any) -> None:
    tokens = make()
    save_run(tmp_path, SHAPES["gpt2"], tokens)
    theirs: Any = AutoTokenizer.from_pretrained(tmp_path)
    assert theirs(TEXTS[0], add_special_tokens=False).input_ids == tokens.encode(TEXTS[0]).ids
    for unknown in ("ü", f"{TEXTS[0]} Ωmega", "日"):
        with pytest.raises(Exception, match=r"Missing \[UNK\]|not found in the vocabulary"):
            theirs(unknown)
    generate: Any = pipeline("text-generation", model=str(tmp_path))
    with pytest.raises(Exception, match=r"Missing \[UNK\]|not found in the vocabulary"):
        generate("日")


def test_older_versions_of_transformers_find_how_much_is_rotated(tmp_path: Path) -> None:
    """Before version 5 they read these fields, and take a quarter where they are missing."""
    save_run(tmp_path, Architecture(layers=1, heads=1, width=12), word_tokenizer())
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["rotary_pct"] == config["rope_parameters"]["partial_rotary_factor"] == 2 / 12
    assert config["rotary_emb_base"] == config["rope_parameters"]["rope_theta"]
    loaded: Any = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert loaded.config.rope_parameters["partial_rotary_factor"] == 2 / 12
