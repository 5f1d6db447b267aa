"""What fields of a configuration change of a model, by trying: its weights, or its logits while it trains."""

import math
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..specs import TransformersModel
from .build import build_model
from .generators import seed_building
from .loss import logits

MOST = 20_000_000  # parameters of a model that is made again and again
SHAKE = 0.1  # a fresh model can hide what it does: some begin with layers that add nothing to the stream
IDLE_FIELDS = "without effect on texts of {1} tokens: {0}"
OTHER_HEADS = ("summary", "classifier")  # whose dropout a language model has not
RANDOM = ("drop", "jitter", "noise")  # in names of fields whose numbers, if not 0, are how much is drawn


class Behaviour(NamedTuple):
    """What a fresh model is: its weights, and its logits in training, with weights that hide nothing."""

    weights: dict[str, Tensor]
    found: Tensor


def drop_idle_fields(
    architecture: TransformersModel, vocabulary: int, window: int
) -> tuple[TransformersModel, list[str]]:
    """An architecture without the fields that change nothing on texts of a window, and their names.

    architecture: a settled one. Of a model with more than MOST parameters, all fields stay.
    """
    idle: list[str] = []
    whole = None
    if _count_numbers(_shapes(architecture, vocabulary, window)) > MOST:
        return architecture, idle
    for name in sorted(architecture.fields):
        rest = {key: value for key, value in architecture.fields.items() if key != name}
        without = replace(architecture, fields=rest)
        try:
            if _shapes(without, vocabulary, window) != _shapes(architecture, vocabulary, window):
                continue
            whole = whole or _observe_behaviour(architecture, vocabulary, window)
            other = _observe_behaviour(without, vocabulary, window)
        except Exception:  # without the field it makes no model
            other = None
        if whole and other and _is_same(whole, other):
            architecture = without
            idle.append(name)
    return architecture, idle


def drawing_fields(model: nn.Module) -> dict[str, Any]:
    """The fields by which a model of transformers draws random numbers while it trains, such as dropout."""
    config = getattr(model, "config", None)
    values = config.to_dict() if config is not None and hasattr(config, "to_dict") else {}
    return {
        name: value
        for name, value in values.items()
        if isinstance(value, int | float)
        and value
        and any(part in name for part in RANDOM)
        and not name.startswith(OTHER_HEADS)
    }


def _count_numbers(shapes: dict[str, Any]) -> int:
    return sum(math.prod(shape) for shape in shapes.values())


def _shapes(architecture: TransformersModel, vocabulary: int, window: int) -> dict[str, Any]:
    with torch.device("meta"):
        model = build_model(architecture, vocabulary, window, seed=0)
    return {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}


def _observe_behaviour(architecture: TransformersModel, vocabulary: int, window: int) -> Behaviour:
    model = build_model(architecture, vocabulary, window, seed=0).train()
    weights = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad(), seed_building(0):
        for parameter in model.parameters():
            parameter.add_(SHAKE * torch.randn(parameter.shape, generator=generator))
        found = logits(model, torch.randint(vocabulary, (2, window), generator=generator))
    return Behaviour(weights, found)


def _is_same(one: Behaviour, other: Behaviour) -> bool:
    return torch.equal(one.found, other.found) and all(
        torch.equal(weight, other.weights[name]) for name, weight in one.weights.items()
    )
