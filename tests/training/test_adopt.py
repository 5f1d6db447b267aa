"""A checkpoint from elsewhere is taken in, or refused with the reason."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers.known_models import BIOS, words_of
from knowledge_capacity.data import corpus
from knowledge_capacity.files import UserError
from knowledge_capacity.specs import Checkpoint, Recipe, Run
from knowledge_capacity.training.adopt import adopt_checkpoint
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
    with pytest.raises(UserError, match=r"its model embeds \d+ tokens, its tokenizer has"):
        adopt_checkpoint(given(tmp_path, rows=-1), WORDS)
