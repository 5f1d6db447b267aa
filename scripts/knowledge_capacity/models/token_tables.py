"""Which parameters of a model have a row for each token of the vocabulary, wherever they sit.

A text reaches the rows of its own tokens alone, so P leaves out the others; and of a table of positions, the rows of
those that a window has. The study's decoder says which its tables
are. Any other model is tried: it reads some tokens, and is asked for the logits of others. The gradient of a table has
rows of these tokens and no others, be it an embedding of each layer, one of several heads, or a bias.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .decoder import Decoder
from .loss import logits

LENGTH = 6  # tokens in each text
FIRST = 8  # token that is tried: the rows before it may be those of positions
READ, ASKED = 2, 2  # tokens that a text is made of, and tokens whose logits are asked for
SHAKE = 0.1  # a fresh model can hide what it does: some begin with layers that add nothing to the stream


class TokenTable(NamedTuple):
    """A parameter, and the axis along which it has a row for each token."""

    weight: Tensor
    axis: int

    @property
    def rows(self) -> int:
        return self.weight.shape[self.axis]

    @property
    def row_size(self) -> int:
        """Numbers in the row of a token."""
        return self.weight.numel() // self.rows


class PositionTable(NamedTuple):
    """A parameter with a row for each position, the first `offset` for none."""

    weight: Tensor
    offset: int

    def unreached(self, window: int) -> int:
        """How many numbers stand in rows of positions that no text of a window has."""
        rows = len(self.weight)
        return self.weight[:1].numel() * (rows - min(window, rows - self.offset))


class Tried(NamedTuple):
    """What a trial says of a parameter: along which axis it has rows of tokens, at which row positions begin, and
    whether any gradient reaches it.
    """

    axis: int | None
    offset: int | None
    reached: bool


def token_tables(model: nn.Module) -> list[TokenTable]:
    """The tables over the vocabulary, each once, that which embeds tokens first; none for a model without."""
    return find_tables(model)[0]


def find_tables(model: nn.Module) -> tuple[list[TokenTable], list[PositionTable]]:
    """The tables over the vocabulary, as `token_tables` gives them, and embeddings of positions."""
    if isinstance(model, Decoder):
        found = (
            [model.embedding.weight] if model.head is None else [model.embedding.weight, model.head.weight]
        )
        return [TokenTable(weight, 0) for weight in found], []
    by_shape = list(_tables_by_shape(model))
    try:
        with _undisturbed(model):
            tried = _try_tables(model)
    except Exception:  # the user's code may raise anything; `trial.check_model` says what
        tried = {}
    if not tried:
        return by_shape, []
    parameters = dict(model.named_parameters())
    tables = {
        name: TokenTable(parameters[name], one.axis) for name, one in tried.items() if one.axis is not None
    }
    names = {id(parameter): name for name, parameter in parameters.items()}
    for table in by_shape:  # such as a head of which no logit comes out
        name = names[id(table.weight)]
        if name in tried and not tried[name].reached:
            tables[name] = table
    positions = [
        PositionTable(parameters[name], one.offset) for name, one in tried.items() if one.offset is not None
    ]
    first = _first_embedding(model, tables)
    return sorted(tables.values(), key=lambda table: table.weight is not first), positions


def _tables_by_shape(model: nn.Module) -> Iterator[TokenTable]:
    """The first embedding, and the head: what a model says it is, or the last linear layer; one of each, its bias."""
    embeddings = [module for module in model.modules() if isinstance(module, nn.Embedding)]
    if not embeddings:
        return
    first = embeddings[0]
    yield TokenTable(first.weight, 0)
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    head: Any = linear[-1] if linear else None  # the last one of a module that we do not know
    if ask := getattr(model, "get_output_embeddings", None):  # a model of transformers says
        head = ask()
    if isinstance(head, nn.Linear) and head.out_features == first.num_embeddings:
        if head.weight is not first.weight:
            yield TokenTable(head.weight, 0)
        if head.bias is not None:
            yield TokenTable(head.bias, 0)


def _try_tables(model: nn.Module) -> dict[str, Tried]:
    """For each embedding, and each parameter as large as the vocabulary on some axis, what a trial says. Empty where a
    vocabulary is too small for this.
    """
    parameters = dict(model.named_parameters())
    embeddings = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    device = next(iter(parameters.values())).device
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in parameters.values():
            noise = SHAKE * torch.randn(parameter.shape, generator=generator)
            parameter.data = parameter + noise.to(device, parameter.dtype)
        vocabulary = logits(model, torch.zeros(1, LENGTH, dtype=torch.long, device=device)).shape[-1]
    each = READ + ASKED
    if vocabulary < FIRST + 2 * each:
        return {}
    for parameter in parameters.values():
        parameter.requires_grad_(max(parameter.shape, default=0) >= vocabulary or id(parameter) in embeddings)
    wanted = {name: parameter for name, parameter in parameters.items() if parameter.requires_grad}
    axes = {name: {i for i, n in enumerate(wanted[name].shape) if n >= vocabulary} for name in wanted}
    starts: dict[str, set[int | None]] = {name: set() for name in wanted}
    reached = dict.fromkeys(wanted, False)
    place = torch.arange(2 * LENGTH, device=device).view(2, LENGTH)
    tried = FIRST + torch.randperm(vocabulary - FIRST, generator=generator)[: 2 * each]
    for tokens in tried.to(device).split(each):
        found = logits(model, tokens[:READ][place % READ])
        # a difference of two, so that what all logits share plays no part
        asked = (found[..., tokens[READ]] - found[..., tokens[READ + 1]]) * (1.0 + place)
        gradients = torch.autograd.grad(asked.sum(), list(wanted.values()), allow_unused=True)
        for name, gradient in zip(wanted, gradients, strict=True):
            if gradient is None:
                continue
            if not gradient.isfinite().all():
                return {}
            reached[name] |= bool(gradient.any())
            some = set(tokens.tolist())
            axes[name] = {axis for axis in axes[name] if set(_rows_with(gradient, axis)) <= some}
            starts[name].add(_first_of_positions(gradient) if id(wanted[name]) in embeddings else None)
    if not any(reached.values()):
        return {}
    return {
        name: Tried(
            min(axes[name]) if axes[name] and reached[name] else None,
            starts[name].pop() if len(starts[name]) == 1 else None,  # the same whatever the tokens
            reached[name],
        )
        for name in wanted
    }


def _first_of_positions(gradient: Tensor) -> int | None:
    """The row of the first position in the gradient of an embedding; None where its rows are not those of a text's."""
    rows = _rows_with(gradient, 0)
    is_a_text = len(gradient) > LENGTH and rows == list(range(rows[0], rows[0] + LENGTH)) if rows else False
    return rows[0] if is_a_text else None


def _rows_with(gradient: Tensor, axis: int) -> list[int]:
    """The rows of a gradient that are not zero."""
    by_row = gradient.movedim(axis, 0).reshape(gradient.shape[axis], -1)
    return [int(row) for row in by_row.any(dim=1).nonzero()]


def _first_embedding(model: nn.Module, tables: dict[str, TokenTable]) -> Tensor | None:
    """The table that embeds tokens: of a model of transformers as it says, else the first in an embedding."""
    if ask := getattr(model, "get_input_embeddings", None):
        weight: Tensor = ask().weight
        return weight
    own = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    return next((table.weight for table in tables.values() if id(table.weight) in own), None)


@contextmanager
def _undisturbed(model: nn.Module) -> Iterator[None]:
    """A model that is not in training; afterwards it and random numbers are as if it had not been tried."""
    training = {module: module.training for module in model.modules()}
    before = [(parameter, parameter.data, parameter.requires_grad) for parameter in model.parameters()]
    devices = [device.index for device in {p.device for p, _, _ in before} if device.type == "cuda"]
    try:
        with torch.random.fork_rng(devices=devices), torch.enable_grad():
            model.eval()
            yield
    finally:
        for parameter, data, learns in before:
            parameter.data = data
            parameter.requires_grad_(learns)
        for module, was in training.items():
            module.training = was
