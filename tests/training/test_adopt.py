"""A checkpoint from elsewhere is taken in, or refused with the reason."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers.adopted import adopt_and_measure
from helpers.checkpoints import QWEN, edit_config, save_model, write_checkpoint
from helpers.known_models import BIOS, words_of
from knowledge_capacity.data import corpus, people, tokenizer
from knowledge_capacity.data.stream import Stream, make_source
from knowledge_capacity.files import UserError
from knowledge_capacity.models import store
from knowledge_capacity.specs import Checkpoint, Recipe, Run
from knowledge_capacity.training.adopt import adopt_checkpoint, check_saved_model
from safetensors.torch import load_file
from transformers import GPT2Config, GPT2LMHeadModel

WORDS = words_of(replace(BIOS, tokenizer="bpe-400"))
LONGEST = max(
    len(one.ids) for one in WORDS.encode_batch(["".join(told) for told in corpus.sample_biographies(BIOS)])
)


def given(folder: Path, rows: int = 0, positions: int = LONGEST) -> Run:
    """A run of a GPT-2 of transformers; rows: how many more it embeds than there are tokens."""
    torch.manual_seed(0)
    size = WORDS.get_vocab_size() + rows
    config = GPT2Config(vocab_size=size, n_embd=8, n_layer=1, n_head=1, n_positions=positions)
    GPT2LMHeadModel(config).save_pretrained(folder)
    return Run(BIOS, Checkpoint(str(folder)), Recipe(exposures=1, lr=1e-3), 0)


def test_its_weights_are_its_own(tmp_path: Path) -> None:
    found = adopt_checkpoint(given(tmp_path, rows=24), WORDS)
    saved = GPT2LMHeadModel.from_pretrained(tmp_path).state_dict()
    assert all(torch.equal(value, saved[name]) for name, value in found.state_dict().items())


def test_one_without_room_for_biographies_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"it fails on biographies of {LONGEST} tokens, which bioS-40"):
        adopt_checkpoint(given(tmp_path, positions=LONGEST - 1), WORDS)


def test_one_with_fewer_rows_than_tokens_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"its model embeds \d+ tokens, its tokenizer has ids up to \d+"):
        adopt_checkpoint(given(tmp_path, rows=-1), WORDS)


@pytest.mark.slow
def test_its_number_is_that_of_the_model_however_it_was_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the scripts that train and measure; R of what is not the whole model would be a number as well."""
    words = words_of(BIOS)
    plain = save_model(tmp_path / "plain", "Qwen3Config", QWEN, words.get_vocab_size())
    tokenizer.write_tokenizer(plain, words)
    expected = adopt_and_measure(plain, BIOS, monkeypatch)
    assert expected["n_parameters"] > 0
    weights = load_file(plain / "model.safetensors")
    for prefix in ("_orig_mod.", "module."):
        named = {prefix + name: tensor for name, tensor in weights.items()}
        found = adopt_and_measure(write_checkpoint(tmp_path / prefix, plain, named), BIOS, monkeypatch)
        assert f"taken off the names of its weights, as parts that wrappers put there: {prefix}" in (
            capsys.readouterr().err
        )
        for key in ("capacity_ratio", "bits_learned", "n_parameters", "loss_value"):
            assert found[key] == expected[key], key
    halves = {name: tensor.bfloat16().float() for name, tensor in weights.items()}
    stored = {name: tensor.bfloat16() for name, tensor in weights.items()}
    full, half = (
        adopt_and_measure(write_checkpoint(tmp_path / name, plain, those), BIOS, monkeypatch)
        for name, those in (("full", halves), ("half", stored))
    )
    assert full["capacity_ratio"] == half["capacity_ratio"]
    assert (full["bits_per_weight"], half["bits_per_weight"]) == (32, 16)
    less = {name: tensor for name, tensor in weights.items() if "layers.1." not in name}
    with pytest.raises(AssertionError, match="train"):
        adopt_and_measure(write_checkpoint(tmp_path / "less", plain, less), BIOS, monkeypatch)
    assert "11 (model.layers.1.input_layernorm.weight" in capsys.readouterr().err


def test_what_is_saved_has_to_compute_what_the_checkpoint_does(tmp_path: Path) -> None:
    run = given(tmp_path / "ck")
    model = adopt_checkpoint(run, WORDS)
    file = tmp_path / "run" / "model.safetensors"
    store.write_model(file.parent, model, run, end_token=0)
    stream = Stream(make_source(BIOS, 0, people.draw_all_people(BIOS, 0)), WORDS)
    check_saved_model(file, run, model, stream)
    edit_config(tmp_path / "ck", activation_function="relu")  # by somebody, meanwhile
    with pytest.raises(UserError, match="the weights of ck give other logits than there"):
        check_saved_model(file, run, model, stream)
