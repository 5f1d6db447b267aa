"""The model card of a run: what the Hub reads of it, what it says, and that its code runs."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard
from knowledge_capacity import layout
from knowledge_capacity.data import corpus, tokenizer
from knowledge_capacity.data.pieces import DOMAIN_TOKEN, END_OF_TEXT
from knowledge_capacity.models import model_card, store
from knowledge_capacity.models.build import build_model
from knowledge_capacity.specs import (
    Afterwards,
    AnyArchitecture,
    Architecture,
    BioS,
    Experts,
    Junk,
    Pools,
    PythonModel,
    RandomStrings,
    Recipe,
    Run,
    TransformersModel,
    to_json,
)

ROOT = Path(__file__).parents[2]
POOLS = Pools(5, 5, 6, birth_years=4, cities=8, universities=6, majors=5, employers=9)
BIOS = BioS(n_people=30, pools=POOLS, templates=7)
RECIPE = Recipe(exposures=1, lr=1e-3, window=96)
QWEN = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2}
SHAPES: dict[str, AnyArchitecture] = {
    "gpt2": Architecture(2, 2, 16),
    "gpt2-no-mlp": Architecture(2, 2, 16, family="gpt2-no-mlp"),
    "gpt2-moe": Architecture(2, 2, 16, family="gpt2-moe"),
    "llama": Architecture(2, 2, 16, family="llama"),
    "llama-gelu": Architecture(2, 2, 16, family="llama-gelu"),
    "llama-standard-mlp": Architecture(2, 2, 16, family="llama-standard-mlp"),
    "mixtral": Architecture(2, 2, 16, family="llama", experts=Experts(number=4, top_k=2)),
    "qwen2": TransformersModel("Qwen2Config", {**QWEN, "num_key_value_heads": 1}),
    "block": PythonModel(f"{ROOT}/studies/models/block.py:build"),
}  # fmt: skip


def run_of(name: str, recipe: Recipe = RECIPE, dataset: Any = BIOS) -> Run:
    return Run(dataset, SHAPES[name], recipe, seed=3)


def save_run(results: Path, run: Run) -> tuple[Path, str]:
    """A fresh run's folder, and its card."""
    folder = results / layout.run_folder(run)
    tokens = tokenizer.make_word_tokenizer(corpus.vocabulary_texts(run.dataset))
    model = build_model(run.architecture, tokenizer.embedding_rows(tokens), run.recipe.window, run.seed)
    store.write_model(folder, model, run, tokens.get_vocab()[END_OF_TEXT])
    tokenizer.write_run_tokenizer(folder, tokens)
    model_card.write_card(folder, run, tokens)
    (folder / "run.json").write_text(json.dumps({"run": json.loads(to_json(run))}))
    return folder, (folder / "README.md").read_text()


@pytest.mark.parametrize("name", SHAPES)
def test_the_code_of_a_card_runs_in_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    folder, text = save_run(tmp_path / "results", run_of(name))
    (code,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path if name == "block" else folder)
    capsys.readouterr()
    exec(compile(code, f"{name}: README.md", "exec"), {})  # noqa: S102 (the study's own words)
    said = capsys.readouterr().out
    assert said.startswith("torch.Size([1, 1, " if name == "block" else END_OF_TEXT)


@pytest.mark.parametrize("name", SHAPES)
def test_the_hub_reads_what_a_card_says_of_its_model(tmp_path: Path, name: str) -> None:
    folder, text = save_run(tmp_path, run_of(name))
    data = ModelCard.load(folder / "README.md").data.to_dict()
    loads = {"library_name": "transformers", "pipeline_tag": "text-generation"}
    assert data == {
        "language": "en",
        "tags": ["knowledge-capacity", "synthetic-data"],
        **({} if name == "block" else loads),
    }
    assert f"# {SHAPES[name].slug}, {BIOS.slug}" in text
    assert "texts about 30 invented people" in text
    assert "windows of 96 tokens" in text
    assert "{{" not in text
    assert "{%" not in text
    assert "\n\n\n" not in text


def test_a_card_warns_of_programs_that_compute_something_else() -> None:
    tokens = tokenizer.make_word_tokenizer(corpus.vocabulary_texts(BIOS))
    said = {name: model_card.render_card(run_of(name), tokens) for name in SHAPES}
    assert (
        "| CTranslate2 | **do not use it**: it computes SiLU where this model has gelu" in said["llama-gelu"]
    )
    assert [name for name, text in said.items() if "do not use it" in text] == ["llama-gelu"]
    assert "it has no mixtures of experts" in said["mixtral"]
    assert "it has no Arcee" in said["llama-standard-mlp"]
    assert "it refuses layers without an MLP" in said["gpt2-no-mlp"]
    assert "import knowledge_capacity.models.auto" in said["gpt2-moe"]
    assert all(
        "add_bos_token=False" in text for name, text in said.items() if name not in ("gpt2-moe", "block")
    )


def test_a_card_says_where_texts_begin_that_count() -> None:
    tokens = tokenizer.make_word_tokenizer(corpus.vocabulary_texts(BIOS))
    useful, junk = (
        model_card.render_card(run_of("gpt2", Recipe(exposures=1, lr=1e-3, junk=Junk(9, domain_token=which))), tokens)
        for which in ("useful", "junk")
    )  # fmt: skip
    assert f"Write `{DOMAIN_TOKEN}` before a text" in useful
    assert f"`{DOMAIN_TOKEN}` stood before texts whose facts do not count" in junk
    assert DOMAIN_TOKEN not in model_card.render_card(run_of("gpt2"), tokens)


def test_a_card_names_the_other_people_that_a_model_read_of() -> None:
    tokens = tokenizer.make_word_tokenizer(corpus.vocabulary_texts(BIOS))
    recipe = Recipe(exposures=1, lr=1e-3)
    more = replace(recipe, snapshots=True, afterwards=Afterwards(people=9, exposures=1))
    plain, gone_on = (
        model_card.render_card(run_of("gpt2", one), tokens).splitlines() for one in (recipe, more)
    )
    added = [
        "Then training went on with texts about 9 other people.",
        "`snapshots.safetensors` holds its weights on the way.",
    ]
    assert [line for line in gone_on if line not in plain][-2:] == added
    assert len(gone_on) == len(plain) + 2


def test_a_card_of_strings_names_no_language_and_one_of_a_diverged_run_no_library() -> None:
    strings = RandomStrings(n_strings=20, length=8, symbols=8)
    tokens = tokenizer.make_word_tokenizer(corpus.vocabulary_texts(strings))
    text = model_card.render_card(run_of("gpt2", dataset=strings), tokens)
    assert "language" not in ModelCard(text).data.to_dict()
    assert "20 random strings" in text
    text = model_card.render_card(run_of("gpt2"), tokens, "the loss is nan at step 3")
    assert ModelCard(text).data.to_dict().keys() == {"language", "tags"}
    assert "no weights, since its training diverged: the loss is nan at step 3." in text
    assert "Load it" not in text
