"""A checkpoint is measured on the tokens of its training, or refused."""

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.checkpoints import QWEN
from helpers.known_models import BIOS, words_of
from knowledge_capacity.data import corpus, tokenizer
from knowledge_capacity.data.pieces import END_OF_TEXT
from knowledge_capacity.files import UserError
from knowledge_capacity.training.splitting import check_splitting
from tokenizers import Tokenizer
from torch.nn.functional import cross_entropy
from transformers import AutoTokenizer, Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM

TEXTS = ["".join(pieces) for pieces in corpus.sample_biographies(BIOS)[:10]]


def trained(model: Any, rows: list[list[int]]) -> Any:
    """A model that has read some rows of tokens some dozens of times."""
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    for _ in range(60):
        for row in rows:
            text = torch.tensor([row])
            nats = cross_entropy(model(text[:, :-1]).logits[0], text[0, 1:])
            optimizer.zero_grad()
            nats.backward()
            optimizer.step()
    return model


def folder_of(path: Path, model: Any, tokens: Tokenizer, tokenizer_config: bool) -> Any:
    """A checkpoint's configuration and tokenizer; what AutoTokenizer makes of it."""
    model.config.save_pretrained(path)
    tokenizer.write_tokenizer(path, tokens)
    if not tokenizer_config:
        (path / "tokenizer_config.json").unlink()
    return AutoTokenizer.from_pretrained(path)


@pytest.mark.slow
def test_a_model_trained_by_autotokenizer_is_refused_and_one_by_the_file_is_not(tmp_path: Path) -> None:
    tokens = tokenizer.make_tokenizer("bpe-500", corpus.vocabulary_texts(BIOS), TEXTS)
    torch.manual_seed(0)
    fresh = Qwen2ForCausalLM(Qwen2Config(vocab_size=tokens.get_vocab_size(), **{**QWEN, "hidden_size": 32}))
    theirs = folder_of(tmp_path, fresh, tokens, tokenizer_config=True)  # which is not heeded with qwen2
    by_file = [[0, *tokens.encode(text).ids, 0] for text in TEXTS]
    by_auto = [[0, *theirs(text, add_special_tokens=False).input_ids, 0] for text in TEXTS]
    assert by_file != by_auto
    start, heard = {n: t.clone() for n, t in fresh.state_dict().items()}, list[str]()
    check_splitting(tmp_path, trained(fresh, by_file), tokens, TEXTS, heard.append)
    assert not heard
    fresh.load_state_dict(start)
    with pytest.raises(UserError, match=r"tokenizer\.json: AutoTokenizer cuts texts otherwise .* spends \d+"):
        check_splitting(tmp_path, trained(fresh, by_auto), tokens, TEXTS, heard.append)
    # as the remedy says
    theirs.backend_tokenizer.save(str(tmp_path / "tokenizer.json"))
    again = tokenizer.read_tokenizer(tmp_path / "tokenizer.json")
    check_splitting(tmp_path, fresh, again, TEXTS, heard.append)
    assert not heard


def test_where_the_model_cannot_tell_it_is_said(tmp_path: Path) -> None:
    tokens = words_of(BIOS)
    torch.manual_seed(0)
    fresh = Qwen3ForCausalLM(Qwen3Config(vocab_size=tokens.get_vocab_size(), **QWEN))
    theirs = folder_of(tmp_path, fresh, tokens, tokenizer_config=False)
    assert theirs(TEXTS[0]).input_ids != tokens.encode(TEXTS[0]).ids
    heard: list[str] = []
    check_splitting(tmp_path, fresh, tokens, TEXTS, heard.append)
    assert "make sure that training used them" in heard[0]
    known = [[0, *tokens.encode(text).ids, 0] for text in TEXTS]
    check_splitting(tmp_path, trained(fresh, known), tokens, TEXTS, heard.append)
    assert len(heard) == 1
    tokenizer.write_tokenizer(tmp_path, tokens)  # with the file that says not to rebuild it
    assert tokens.get_vocab()[END_OF_TEXT] == 0
    check_splitting(tmp_path, fresh, tokens, TEXTS, heard.append)
    assert len(heard) == 1
