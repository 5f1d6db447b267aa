"""Taking in a model that was trained elsewhere, in place of training one."""

import torch
from tokenizers import Tokenizer
from torch import nn

from ..data import corpus, tokenizer
from ..data.stream import Stream
from ..files import UserError
from ..models import external
from ..models.build import token_weights
from ..specs import Checkpoint, Run

MOST = 1_000_000  # biographies
CHUNK = 1 << 13


def adopt(run: Run, tokens: Tokenizer) -> nn.Module:
    """The model of a run whose architecture is a checkpoint. tokens: the checkpoint's tokenizer.

    Raises UserError where model and tokenizer do not belong together, where the tokenizer cannot tell the
    dataset's biographies fact by fact, and for weights that are not numbers.
    """
    assert isinstance(run.architecture, Checkpoint)
    folder = run.architecture.folder
    tokenizer.check(tokens, folder, corpus.sample(run.dataset))
    model = external.read_checkpoint(run.architecture)
    rows = len(next(token_weights(model)))
    if rows < tokens.get_vocab_size():
        raise UserError(
            f"{folder}: its model embeds {rows} tokens, its tokenizer has {tokens.get_vocab_size()}."
        )
    if not all(bool(torch.isfinite(parameter).all()) for parameter in model.parameters()):
        raise UserError(f"{folder}: its weights hold NaN or infinity. Give another checkpoint.")
    return model


def used_tokens(run: Run, stream: Stream) -> int:
    """How many tokens the training of a run would meet: in all of it, or in its first million biographies."""
    seen = torch.zeros(int(stream.possible_tokens().max()) + 1, dtype=torch.bool)
    total = min(run.recipe.exposures * run.dataset.n_people, MOST)
    for start in range(0, total, CHUNK):
        pieces = stream.pieces(start, min(start + CHUNK, total))
        seen[stream.tokens(pieces)[0].long().cpu()] = True
    return int(seen.sum())
