"""Taking in a model that was trained elsewhere, in place of training one."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import nn

from ..data import corpus, people, tokenizer
from ..data.stream import Stream, make_source
from ..data.windows import Windows
from ..files import UserError
from ..models import checkpoint, store
from ..models.build import token_weights
from ..models.loss import logits, loss
from ..specs import BioS, Checkpoint, Run
from .splitting import check_splitting

MOST = 1_000_000  # biographies
CHUNK = 1 << 13
TEXTS = 10  # on which the saved model has to do what the checkpoint does
LOOKED_AT, KNOWN = 500, 0.2  # people, and the share of their bits that nobody knows by chance
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
def refuse_known_people(run: Run, model: nn.Module, stream: Stream) -> None:
    """Raise UserError where a model knows the people already that its adapter is to learn.

    Their biographies then cost it fewer nats than those of other people do, whom bioS alone has. People are the same by
    the same seed and pools, however many there are.
    """
    dataset, n_people = run.dataset, min(run.dataset.n_people, LOOKED_AT)
    if not isinstance(dataset, BioS) or dataset.n_people + n_people > dataset.pools.names:
        return
    few = replace(dataset, n_people=n_people)
    others = make_source(
        few, run.seed, people.draw_others(dataset, run.seed, n_people).to(stream.source.device)
    )
    own, theirs = (_mean_loss(run, model.eval(), one) for one in (stream, stream.about(others)))
    known = (theirs - own) * stream.mean_length() / math.log(2)
    share = known * dataset.n_people / dataset.bits_max
    if share > KNOWN:
        reason = (
            f"it knows some {share:.0%} of what there is to know about the people of seed {run.seed} already"
        )
        remedy = (
            "An adapter is to learn what is new. Take other seeds: --seeds, or `seeds` of the experiment."
        )
        raise UserError(f"{run.architecture.slug}: {reason}. {remedy}")


def _mean_loss(run: Run, model: nn.Module, stream: Stream) -> float:
    """Nats a token of a model on the biographies of some people, told once."""
    size, window = run.recipe.batch_size, run.recipe.window
    batches = Windows(stream, None, size, window)
    n_batches = math.ceil(LOOKED_AT * stream.mean_length() / (size * window))
    total = 0.0
    for _ in range(n_batches):
        inputs, targets = batches.take(1)
        total += float(loss(model, inputs[0].cpu(), targets[0].cpu()).nats)
    return total / (n_batches * size * window)


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
