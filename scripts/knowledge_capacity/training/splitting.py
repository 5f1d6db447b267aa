"""Whether a checkpoint was trained on the tokens of its tokenizer.json, or on those that AutoTokenizer makes of it.

AutoTokenizer rebuilds the tokenizers of some model types (qwen2 always, qwen3 or gpt2 without tokenizer_config.json)
and leaves out the splitting that the file describes. No file says by which of the two a model was trained, but the
model knows: texts cost it far fewer nats in the tokens of its training.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import nn

from ..data.pieces import END_OF_TEXT
from ..files import UserError
from ..models.loss import loss

CLEARLY = 0.8  # of the nats, in all and by token


@torch.no_grad()
def check_splitting(
    folder: Path, model: nn.Module, tokens: Tokenizer, texts: Sequence[str], say: Callable[[str], None]
) -> None:
    """Raise UserError where a model knows texts clearly better by AutoTokenizer's tokens than by tokenizer.json's.

    tokens: the folder's tokenizer.json. say: is told where the two differ and neither is clearly better.
    """
    theirs = _auto_tokenizer(folder)
    if theirs is None:
        return
    end, other_end = tokens.get_vocab()[END_OF_TEXT], theirs.convert_tokens_to_ids(END_OF_TEXT)
    own = [[end, *tokens.encode(text, add_special_tokens=False).ids, end] for text in texts]
    other = [[other_end, *theirs.encode(text, add_special_tokens=False), other_end] for text in texts]
    if own == other:
        return
    nats, other_nats = _nats(model, own), _nats(model, other)
    if nats is None or other_nats is None:
        return  # then it was not trained by AutoTokenizer, or what measures it says why it fails
    length, other_length = (sum(map(len, rows)) for rows in (own, other))
    better, worse = other_nats / nats, nats / other_nats
    by_token = length / other_length
    file = folder / "tokenizer.json"
    reason = f"AutoTokenizer cuts texts otherwise than this file says, and the model spends {other_nats:.0f} nats on"
    reason += f" its tokens and {nats:.0f} on those of this file"
    if max(better, better * by_token) < CLEARLY:
        remedy = (
            "Put AutoTokenizer's there: AutoTokenizer.from_pretrained(FOLDER).backend_tokenizer.save(FILE)."
        )
        raise UserError(f"{file}: {reason}, so training seems to have used AutoTokenizer. {remedy}")
    if max(worse, worse / by_token) >= CLEARLY:
        say(f"{file}: {reason}. Those of this file are measured; make sure that training used them")


def _auto_tokenizer(folder: Path) -> Any:
    """What AutoTokenizer makes of a folder; None where it makes nothing."""
    from transformers import AutoTokenizer
    from transformers.utils import logging

    if not (folder / "tokenizer.json").is_file():
        return None
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.CRITICAL)  # type: ignore[attr-defined]
    try:
        found = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        return found if found.convert_tokens_to_ids(END_OF_TEXT) is not None else None
    except Exception:  # the library raises many kinds; training cannot have used it then
        return None
    finally:
        logging.set_verbosity(verbosity)


def _nats(model: nn.Module, rows: list[list[int]]) -> float | None:
    """The nats that some texts cost a model; None where it has no such tokens."""
    total = 0.0
    for row in rows:
        text = torch.tensor([row])
        try:
            total += float(loss(model.eval(), text[:, :-1], text[:, 1:]).nats)
        except (IndexError, RuntimeError):
            return None
    return total
