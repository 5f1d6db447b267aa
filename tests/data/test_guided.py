"""A guided model: whatever it would say, every fact is told once, as it stands, where its span says."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from knowledge_capacity import console
from knowledge_capacity.data import guided, llm, people, prose, rewrites, rewriting, tokenizer
from knowledge_capacity.data.endpoint import Endpoint
from knowledge_capacity.data.local_model import check_cache
from knowledge_capacity.data.locate import locate_facts
from knowledge_capacity.data.replies import Answer
from knowledge_capacity.data.words import guidance
from knowledge_capacity.files import UserError
from knowledge_capacity.specs import BioG, BioR, Pools
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    JambaConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

POOLS = Pools(40, 40, 40, cities=6)  # few cities, so that some work where they were born
DATASET = BioR(n_people=12, rewrites=3, model="", guided=True, pools=POOLS)
CODES = people.draw_all_people(DATASET, 0)
FACTS = list(people.decode_facts(DATASET, CODES))
SETTINGS = Endpoint(url="", concurrency=8, attempts=3)


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with a model that was never trained: it knows nothing, and follows no instructions."""
    folder = tmp_path_factory.mktemp("untrained") / request.param
    others = BioG(n_people=300)
    words = torch.randint(
        2**32, (300, prose.N_RANDOM_WORDS), generator=torch.Generator().manual_seed(0)
    ).tolist()
    known = people.decode_facts(others, people.draw_all_people(others, 1))
    texts = [prose.write_biography(facts, row).text for facts, row in zip(known, words, strict=True)]
    made = tokenizer.train_bpe_tokenizer([*texts, guidance.EXAMPLE], 1500)
    PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<|endoftext|>").save_pretrained(folder)
    torch.manual_seed(0)
    size = made.get_vocab_size() + 12  # models have more rows than tokens, for speed
    if request.param == "gpt2":
        net = GPT2Config(vocab_size=size, n_positions=2048, n_embd=32, n_layer=2, n_head=2)
        GPT2LMHeadModel(net).save_pretrained(folder)
    else:
        shape: dict[str, Any] = {
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
        }
        LlamaForCausalLM(LlamaConfig(vocab_size=size, **shape)).bfloat16().save_pretrained(folder)
    return str(folder)


def write(folder: Path, model: str, seed: int = 0, concurrency: int = 8) -> list[list[rewrites.Rewrite]]:
    """All texts, as the script has them made, and that none was rejected."""
    dataset, settings = replace(DATASET, model=model), replace(SETTINGS, concurrency=concurrency)
    by = rewriting.make_model_writer(dataset, seed, settings, 0, console.Log(None))
    made = rewriting.write_missing_shards(folder, "me", dataset, CODES, by)
    assert made["rejected"] == {}
    return rewrites.read_shard(folder, 0, "me")


@pytest.mark.slow
def test_every_fact_is_told_once_as_it_stands(model: str, tmp_path: Path) -> None:
    told = write(tmp_path, model)
    same = 0
    for facts, texts in zip(FACTS, told, strict=True):
        assert len({one.text for one in texts}) == DATASET.rewrites
        for one in texts:
            said = {span.fact: one.text[span.start : span.stop] for span in one.spans}
            assert said.pop("pronoun") in [word.capitalize() for word in guidance.OWN[facts["pronoun"]]]
            assert said == {fact: value for fact, value in facts.items() if fact != "pronoun"}
            for value, times in Counter(said.values()).items():
                assert len(re.findall(rf"\b{value}\b", one.text)) >= times
            lines = re.split(r"(?<=\.) ", one.text)
            assert len(lines) == 6  # a sentence for each fact
            rest = llm._leave_out_facts(one)
            assert not re.search(r"\d", rest)
            capitals = set(re.findall(r"[A-Z]\w*", rest))
            assert capitals <= {
                *guidance.OPENERS,
                *(word.capitalize() for word in guidance.OWN[facts["pronoun"]]),
            }
            same += facts["birth_city"] == facts["work_city"]
            found = locate_facts(one.text, facts)
            assert isinstance(found, rewrites.Rewrite)
            if facts["birth_city"] != facts["work_city"]:
                assert found == one
            else:  # which of the two a city is, its own line has said
                assert {s.fact for s in found.spans} == {s.fact for s in one.spans}
    assert same


@pytest.mark.slow
def test_nothing_tells_a_fact_before_its_time(model: str, tmp_path: Path) -> None:
    for facts, texts in zip(FACTS, write(tmp_path, model), strict=True):
        others = {word for who, own in guidance.OWN.items() if who != facts["pronoun"] for word in own}
        for one in texts:
            words = re.findall(r"\w+", llm._leave_out_facts(one))
            assert not {word.lower() for word in words} & (others | guidance.NEVER)
            for span in one.spans[1:]:
                if span.fact != "pronoun":
                    line = one.text[: span.start].rpartition(". ")[2].lower().split()
                    assert not set(line) & {w for w in facts[span.fact].lower().split() if len(w) > 3}
                    kinds, phrases = guidance.KINDS[span.fact]
                    before = one.text[: span.start - 1]
                    assert set(line) & set(kinds.split()) or before.endswith(phrases)


@pytest.mark.slow
def test_texts_are_seeded_and_gone_on_with(model: str, tmp_path: Path) -> None:
    first = write(tmp_path / "a", model)
    assert write(tmp_path / "b", model) == first
    assert write(tmp_path / "c", model, seed=1) != first
    dataset = replace(DATASET, model=model)
    ask = guided.make_guided_requester(SETTINGS, model, dataset.temperature, 0)

    def interrupted(requests: list[llm.Request]) -> Iterator[tuple[llm.Request, Answer]]:
        for n, one in enumerate(ask(requests)):
            if n == 20:
                raise KeyboardInterrupt
            yield one

    journal = tmp_path / "d" / "part-00000.jsonl"
    with pytest.raises(KeyboardInterrupt):
        llm.request_rewrites(FACTS, 0, DATASET.rewrites, 0, interrupted, 3, journal)
    assert len(list(llm.read_journal(journal))) == 20
    kept = {(i, j): answer for i, j, answer in llm.read_journal(journal)}
    again = write(tmp_path / "d", model)
    for (i, j), answer in kept.items():
        assert again[i][j] == rewrites.Rewrite(first[i][j].text, answer.spans) == first[i][j]


def test_only_a_folder_is_guided() -> None:
    dataset = replace(DATASET, model="a-model")
    with pytest.raises(UserError, match=r"guided is for a model in a folder, and a-model is none"):
        rewriting.make_model_writer(dataset, 0, SETTINGS, 0, console.Log(None))
    assert "-guided-by-amodel" in dataset.slug
    assert replace(dataset, guided=False).slug == dataset.slug.replace("-guided", "")


@pytest.mark.parametrize("temperature", [0.0, 0.5, 1.0])
def test_tokens_are_drawn_as_likely_as_they_are(temperature: float) -> None:
    logits = torch.cat([torch.tensor([2.0, 1.0, 9.0, 0.0]), torch.full((60,), -30.0)])[None].expand(2000, 64)
    allowed = torch.ones(2000, 64, dtype=torch.bool)
    allowed[:, 2] = False
    numbers = [(i + 0.5) / 2000 for i in range(2000)]
    found = Counter(guided.draw_tokens(logits, allowed, temperature, numbers))
    if temperature == 0:
        assert found == {0: 2000}
    else:
        shares = torch.softmax(torch.tensor([2.0, 1.0, 0.0]) / temperature, dim=0)
        if temperature == 0.5:  # the two likeliest have more than 0.95
            shares = shares[:2] / shares[:2].sum()
        for token, share in zip((0, 1, 3), shares.tolist(), strict=False):
            assert found[token] / 2000 == pytest.approx(share, abs=0.001)
        assert found.total() == 2000


def test_a_model_that_reads_in_parts_otherwise_is_refused() -> None:
    shape: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    mamba: dict[str, Any] = {"mamba_d_state": 4, "mamba_dt_rank": 4, "use_mamba_kernels": False}
    net = JambaConfig(
        vocab_size=99, attn_layer_period=2, attn_layer_offset=1, num_experts=2, **shape, **mamba
    )
    text = torch.arange(40)[None] % 99
    with pytest.raises(UserError, match=r"F: this JambaForCausalLM cannot be guided, .* leave guided out"):
        check_cache(AutoModelForCausalLM.from_config(net).eval(), "F", text)
    check_cache(LlamaForCausalLM(LlamaConfig(vocab_size=99, **shape)).eval(), "F", text)
