"""Taking in a model that was trained elsewhere, in place of training one."""

import torch
from tokenizers import Tokenizer
from torch import nn

from ..data import corpus, tokenizer
from ..data.stream import Stream
from ..files import UserError
from ..models import external
from ..models.build import token_weights
from ..models.loss import logits
from ..specs import Checkpoint, Run

MOST = 1_000_000  # biographies
CHUNK = 1 << 13


def adopt_checkpoint(run: Run, tokens: Tokenizer) -> nn.Module:
    """The model of a run whose architecture is a checkpoint. tokens: the checkpoint's tokenizer.

    Raises UserError where model and tokenizer do not belong together, where the tokenizer cannot tell the
    dataset's biographies fact by fact, where these are too long for the model, and for weights that are not
    numbers.
    """
    assert isinstance(run.architecture, Checkpoint)
    folder = run.architecture.folder
    sample = corpus.sample_biographies(run.dataset)
    tokenizer.check_tokenizer(tokens, folder, sample)
    model = external.read_checkpoint(run.architecture)
    rows = len(next(token_weights(model)))
    if rows < tokens.get_vocab_size():
        raise UserError(
            f"{folder}: its model embeds {rows} tokens, its tokenizer has {tokens.get_vocab_size()}."
        )
    if not all(bool(torch.isfinite(parameter).all()) for parameter in model.parameters()):
        raise UserError(f"{folder}: its weights hold NaN or infinity. Give another checkpoint.")
    told = tokens.encode_batch(["".join(pieces) for pieces in sample], add_special_tokens=False)
    longest = max(len(one.ids) for one in told)
    try:
        with torch.no_grad():
            logits(model, torch.zeros(1, longest, dtype=torch.long))
    except (IndexError, RuntimeError) as error:  # fewer positions, as GPT-2 of transformers learns them
        reason = f"it fails on biographies of {longest} tokens, which {run.dataset.slug} has ({error})"
        raise UserError(f"{folder}: {reason}. Give a checkpoint with room for them.") from error
    return model


def used_tokens(run: Run, stream: Stream) -> int:
    """How many tokens the training of a run would meet: in all of it, or in its first million biographies."""
    seen = torch.zeros(int(stream.possible_tokens().max()) + 1, dtype=torch.bool)
    total = min(run.recipe.exposures * run.dataset.n_people, MOST)
    for start in range(0, total, CHUNK):
        pieces = stream.pieces(start, min(start + CHUNK, total))
        seen[stream.tokens(pieces)[0].long().cpu()] = True
    return int(seen.sum())
