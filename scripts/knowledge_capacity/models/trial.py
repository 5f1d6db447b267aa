"""Trying out a model from elsewhere before hours are spent on it."""

from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from torch import Tensor, nn

from ..files import UserError
from ..specs import AnyArchitecture
from . import store
from .build import build_model, token_weights
from .effects import drawing_fields
from .generators import seed_building, seed_generators
from .loss import loss

SHAKE = 0.1  # a fresh model can hide what it does: some begin with layers that add nothing to the stream
SAME = 1e-4  # of the largest logit: more than rounding, less than one token among hundreds


def check_model(
    model: nn.Module,
    name: str,
    vocabulary: int,
    lengths: Iterable[int],
    trained: bool,
    say: Callable[[str], None] = lambda line: None,
) -> int:
    """Raise UserError for a model that cannot be trained and measured here. It cannot be used any more.

    name: what the user calls it. lengths: how long the texts are that it must take. trained: whether it is
    already. say: is told whether it draws random numbers while it trains, as dropout does. Returns how many of its
    parameters no gradient reaches; they count in P nevertheless.
    """
    rows = len(next(token_weights(model), ()))
    device = next(model.parameters(), torch.empty(0)).device
    if rows < vocabulary:
        raise UserError(
            f"{name}: its first torch.nn.Embedding has {rows} rows, not one for each of the dataset's "
            f"{vocabulary} tokens. Embed the tokens with a torch.nn.Embedding, made before any other."
        )
    _check_memory(model, name)
    generator = torch.Generator().manual_seed(0)
    lengths = sorted(set(lengths))
    for length in lengths:
        tokens = torch.randint(vocabulary, (2, length), generator=generator).to(device)
        found = _checked_logits(model.eval(), name, tokens)
        if found.shape != (*tokens.shape, rows if trained else vocabulary):
            raise UserError(
                f"{name}: for token ids of shape {(*tokens.shape,)} it gives logits of shape "
                f"{(*found.shape,)}, not {(*tokens.shape, vocabulary)} (batch, length, vocabulary)."
            )
        if not found.isfinite().all():
            raise UserError(f"{name}: its logits hold NaN or infinity before any training.")
    if not trained:
        _check_random_numbers(model, name, tokens, say)
    without = 0 if trained else _count_idle_parameters(model.train(), name, tokens)
    _check_lengths(model, name, tokens, lengths, _check_causal(model.eval(), name, tokens, generator))
    return without


@torch.no_grad()
def check_rebuilding(architecture: AnyArchitecture, name: str, vocabulary: int, window: int) -> None:
    """Raise UserError for an architecture whose weights alone do not make its model, which is saved as these.

    name: what the user calls it. The weights of one seed are given to the model of another.
    """
    model = build_model(architecture, vocabulary, window, seed=1)
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.add_(SHAKE * torch.randn(parameter.shape, generator=generator))
    weights = {key: tensor.clone() for key, tensor in store.saved_weights(model)[0].items()}
    check_saved_weights(Path(name), architecture, model, window, weights)


@torch.no_grad()
def check_saved_weights(
    source: Path, architecture: AnyArchitecture, model: nn.Module, window: int, weights: dict[str, Tensor]
) -> None:
    """Raise UserError unless the weights that were saved of a model make one with its logits.

    source: where they are, or the name of the model. model: on the device on which both are tried.
    """
    vocabulary = len(next(token_weights(model)))
    device = next(model.parameters()).device
    saved = store.load_model(source, architecture, vocabulary, window, weights).to(device)
    tokens = torch.randint(vocabulary, (2, window), generator=torch.Generator().manual_seed(0)).to(device)
    expected = _checked_logits(model.eval(), str(source), tokens)
    if (
        not (_checked_logits(saved, str(source), tokens) - expected).abs().max()
        <= SAME * expected.abs().max()
    ):
        reason = "its logits depend on numbers that are not saved with its weights"
        remedy = "Hold layers in an nn.ModuleList, and tensors as nn.Parameter or by register_buffer."
        raise UserError(f"{source}: {reason}, such as layers in a plain list. {remedy}")


def _checked_logits(model: nn.Module, name: str, tokens: Tensor) -> Tensor:
    try:
        found = model(tokens)
        found = getattr(found, "logits", found)
    except Exception as error:  # the user's code may raise anything
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        shape, remedy = (*tokens.shape,), "Let it take texts of any length up to this one."
        if hasattr(model, "config"):
            remedy = "Give other values in its configuration."
        raise UserError(f"{name}: it fails on token ids of shape {shape} ({reason}). {remedy}") from error
    if not isinstance(found, Tensor):
        parts = f" of {len(found)}" if isinstance(found, list | tuple | dict) else ""
        reason = (
            f"it gives a {type(found).__name__}{parts}, not a tensor of logits (batch, length, vocabulary)"
        )
        raise UserError(f"{name}: {reason}. Give the logits of all places, and nothing beside them.")
    return found.float()


def _check_memory(model: nn.Module, name: str) -> None:
    """Two parameters in one memory are one to the model, and two to whatever counts, trains and saves them."""
    begun: dict[int, str] = {}
    for key, parameter in model.named_parameters():
        first = begun.setdefault(parameter.data_ptr(), key) if parameter.numel() else key
        if first != key:
            remedy = f"Tie them by assignment ({key} = {first}), or clone the tensor of one."
            raise UserError(
                f"{name}: its parameters {first} and {key} are two, but share their memory. {remedy}"
            )


@torch.no_grad()
def _check_random_numbers(model: nn.Module, name: str, tokens: Tensor, say: Callable[[str], None]) -> None:
    """Say whether it draws random numbers while it trains. Raises UserError where no seed decides on these, and where
    it draws in measuring too.
    """

    def differ(one: int, other: int) -> bool:
        found = []
        for seed in (one, other):
            seed_generators(model, seed)
            found.append(_checked_logits(model, name, tokens))
        return bool((found[0] - found[1]).abs().max() > SAME * found[0].abs().max())

    with seed_building(0):
        model.eval()
        if differ(0, 1):
            reason = "it draws random numbers in eval mode too, so that a measurement would be one of many"
            raise UserError(f"{name}: {reason}. Draw only where self.training is true.")
        model.train()
        if differ(0, 0):
            reason = "it draws random numbers that no seed decides on, or goes by what it read before"
            remedy = (
                "Draw from torch, numpy or random, or from a generator that its modules or its file hold."
            )
            raise UserError(f"{name}: {reason}. {remedy}")
        draws = differ(0, 1)
    if draws:
        fields = ", ".join(f"{field} {value:g}" for field, value in drawing_fields(model).items())
        why = f"its configuration says so ({fields}), and 0 ends it" if fields else "its modules do so"
        say(f"{name}: it draws random numbers while it trains, as dropout does: {why}")


def _count_idle_parameters(model: nn.Module, name: str, tokens: Tensor) -> int:
    try:
        loss(model, tokens[:, :-1], tokens[:, 1:]).nats.backward()
    except Exception as error:  # whatever stands in the way of a gradient
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise UserError(f"{name}: no gradient comes back from its loss ({reason}).") from error
    parameters = list(model.parameters())
    without = sum(p.numel() for p in parameters if p.grad is None)
    if without == sum(p.numel() for p in parameters):
        raise UserError(f"{name}: no gradient reaches any of its parameters, so it cannot learn.")
    return without


def _places_to_change(length: int) -> list[int]:
    """Places from which to change the tokens of a text: near its ends, where a name stands or a part may be read as a
    whole, and two in its middle, since no block of two or more tokens ends at both.
    """
    near = [n for n in (1, 2, 4, 8, 16, 32) if n < length]
    return sorted({*near, *(length - n for n in near), length // 2, length // 2 + 1} - {0, length})


@torch.no_grad()
def _check_causal(model: nn.Module, name: str, tokens: Tensor, generator: torch.Generator) -> Tensor:
    """Other tokens from a place on leave the logits before it as they were, and those of the other row.

    Returns the logits, of a model whose parameters are not what they were.
    """
    for parameter in model.parameters():
        parameter.add_(SHAKE * torch.randn(parameter.shape, generator=generator).to(parameter.device))
    before = _checked_logits(model, name, tokens)
    for place in _places_to_change(tokens.shape[1]):
        changed = tokens.clone()
        changed[0, place:] = (changed[0, place:] + 1) % (int(tokens.max()) + 1)
        moved = (_checked_logits(model, name, changed) - before).abs() / before.abs().max()
        if moved[0, :place].max() > SAME:
            at = int(moved[0, :place].amax(dim=-1).argmax())
            remedy = "Let each token see itself and earlier ones alone."
            if getattr(getattr(model, "config", None), "is_decoder", None) is False:
                remedy = "Add is_decoder: true to its fields."
            raise UserError(
                f"{name}: it is not causal: its logits at token {at} change with tokens from {place} on. "
                f"It would read the answers. {remedy}"
            )
        if moved[1].max() > SAME:
            raise UserError(
                f"{name}: its logits for one text change with another text of the batch. Treat each alone."
            )
    return before


@torch.no_grad()
def _check_lengths(model: nn.Module, name: str, tokens: Tensor, lengths: list[int], whole: Tensor) -> None:
    """A text that ends earlier has the logits that it has as the beginning of a longer one: `whole`, of all tokens."""
    for length in lengths[:-1]:
        moved = (_checked_logits(model, name, tokens[:, :length]) - whole[:, :length]).abs().max()
        if moved > SAME * whole.abs().max():
            reason = f"the logits of its first {length} tokens change with the length of the text"
            remedy = (
                "Windows of training and measured texts have different lengths. Let each token see itself and"
            )
            raise UserError(f"{name}: {reason}. {remedy} earlier ones alone.")
