"""Taking in a model that was trained elsewhere, in place of training one."""

from collections.abc import Callable
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import nn

from ..data import corpus, tokenizer
from ..data.stream import Stream
from ..files import UserError
from ..models import checkpoint, store
from ..models.build import token_weights
from ..models.loss import logits
from ..specs import Checkpoint, Run
from .splitting import check_splitting

MOST = 1_000_000  # biographies
CHUNK = 1 << 13
TEXTS = 10  # on which the saved model has to do what the checkpoint does
SAME = 1e-4  # of the largest logit: more than rounding


def adopt_checkpoint(
    run: Run, tokens: Tokenizer, say: Callable[[str], None] = lambda line: None
) -> nn.Module:
    """The model of a run whose architecture is a checkpoint. tokens: the checkpoint's tokenizer.

    say: is told what `read_checkpoint` has to say. Raises UserError where model and tokenizer do not belong
    together, where the tokenizer cannot tell the dataset's biographies fact by fact, where these are too long for
    the model, for weights that are not numbers, and as `read_checkpoint` does.
    """
    assert isinstance(run.architecture, Checkpoint)
    folder = run.architecture.folder
    sample = corpus.sample_biographies(run.dataset)
    tokenizer.check_tokenizer(tokens, folder, sample)
    model = checkpoint.read_checkpoint(run.architecture, say)
    rows = len(next(token_weights(model)))
    if rows < (needed := tokenizer.embedding_rows(tokens)):
        raise UserError(
            f"{folder}: its model embeds {rows} tokens, its tokenizer has ids up to {needed - 1}."
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
    check_splitting(Path(folder), model, tokens, ["".join(pieces) for pieces in sample[:TEXTS]], say)
    return model


@torch.no_grad()
def check_saved_model(file: Path, run: Run, model: nn.Module, stream: Stream) -> None:
    """Raise UserError unless the weights in a file make a model with the logits of the one that was taken in.

    file: the run's model.safetensors, from which it is measured. model: as `adopt_checkpoint` gives it.
    """
    window, rows = run.recipe.window, len(next(token_weights(model)))
    saved = store.load_model(file, run.architecture, rows, window, store.read_weights(file))
    tokens, lengths = stream.tokens(stream.pieces(0, TEXTS))
    for text in (one[None].long().cpu() for one in tokens.split(lengths.tolist())):
        expected = logits(model.eval(), text)
        if not (logits(saved, text) - expected).abs().max() <= SAME * expected.abs().max():
            reason = f"as saved here, the weights of {run.architecture.family} give other logits than there"
            raise UserError(
                f"{file}: {reason}. Save that model as a plain one of transformers, and measure it."
            )


def used_tokens(run: Run, stream: Stream) -> int:
    """How many tokens the training of a run would meet: in all of it, or in its first million biographies."""
    seen = torch.zeros(int(stream.possible_tokens().max()) + 1, dtype=torch.bool)
    total = min(run.recipe.exposures * run.dataset.n_people, MOST)
    for start in range(0, total, CHUNK):
        pieces = stream.pieces(start, min(start + CHUNK, total))
        seen[stream.tokens(pieces)[0].long().cpu()] = True
    return int(seen.sum())
