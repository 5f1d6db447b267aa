"""Which runs can be trained in a stack, and how many of them at once."""

import warnings
from dataclasses import replace

import torch
from torch import Tensor, nn

from ..data.windows import GPU_TIMES, REFILL_TOKENS
from ..models.build import build_run_model, kept_buffers, token_weights
from ..models.decoder import Decoder
from ..models.loss import loss
from ..specs import Architecture, Run
from . import optimizers
from .engine import describe_error
from .replicas import Replicas
from .worthwhile import worthwhile_size

SHARE = 0.7  # of the memory that is free at the start
SAME = 1e-3  # of a parameter's largest gradient: more than rounding


def stack_size(run: Run, vocabulary: int, device: str, asked: int | None = None) -> int:
    """How many runs like this one to train at once on a device: as many as pay there and have room.

    asked: this many in place of those that pay. On a processor, stacks do not pay: activations leave its cache.
    """
    model = build_run_model(run, vocabulary)
    width = next(token_weights(model)).shape[1]
    pays = worthwhile_size(run.recipe.batch_size, run.recipe.window, width) if device == "cuda" else 1
    size = asked or pays
    if device == "cuda":
        free, _ = torch.cuda.mem_get_info()
        size = min(size, int(SHARE * free / replica_bytes(model, run, vocabulary)))
    return max(1, size)


def replica_bytes(model: nn.Module, run: Run, vocabulary: int) -> int:
    """About how much memory each replica of a model takes on a GPU, at most.

    Weights, gradients and two moments; what the gradient of a batch needs, in float32; and the tokens made ahead.
    """
    replicas = Replicas(model, 1, run.recipe)
    kept = [_activation_bytes(replicas, *_draw_windows(n, run, vocabulary)) for n in (1, 2)]
    activations = run.recipe.batch_size * (kept[1] - kept[0])
    weights = sum(4 * 4 * parameter.numel() for parameter in model.parameters())
    return weights + activations + 8 * GPU_TIMES * REFILL_TOKENS


def unstackable_reason(run: Run, vocabulary: int, device: str) -> str | None:
    """What keeps a run from being trained in a stack, or None where nothing does."""
    if reason := run.recipe.unstackable_reason:
        return reason
    if isinstance(run.architecture, Architecture):
        return None
    models = [build_run_model(replace(run, seed=seed), vocabulary).to(device).train() for seed in (0, 1)]
    inputs, targets = (part.to(device).view(2, 2, -1) for part in _draw_windows(4, run, vocabulary))
    if kept_buffers(models[0]):
        return "its model keeps more than weights"
    try:
        with warnings.catch_warnings():
            # of operations that torch.func does for one replica after the other
            warnings.filterwarnings("error", message="There is a performance drop")
            return _find_difference(models, inputs, targets, run)
    except Exception as error:  # whatever a model of a user's raises, or torch.func about it
        return f"its model fails there ({describe_error(error)})"


def idle_parameters(model: nn.Module, run: Run, vocabulary: int) -> set[str]:
    """The names of the parameters that no gradient reaches."""
    if isinstance(model, Decoder):
        return set()
    device = next(model.parameters()).device
    gradients = _compute_gradients(model, *(part.to(device) for part in _draw_windows(2, run, vocabulary)))
    return {name for name, gradient in gradients.items() if gradient is None}


def _find_difference(models: list[nn.Module], inputs: Tensor, targets: Tensor, run: Run) -> str | None:
    """How two models side by side differ from each alone, on inputs and targets (2, batch, window) of their own."""
    tables = [[buffer.clone() for buffer in model.buffers()] for model in models]
    alone = [_compute_gradients(*each) for each in zip(models, inputs, targets, strict=True)]
    for other in (tables[1], models[0].buffers()):
        if not all(map(torch.equal, tables[0], other)):
            return "the buffers of its model change"
    idle = {name for name, gradient in alone[0].items() if gradient is None}
    replicas = Replicas(models[0], 2, run.recipe, idle)
    for place, model in enumerate(models):
        replicas.put(place, model, optimizers.make_optimizers(model, run.recipe)[0])
    replicas.loss_of(replicas.leaves, inputs, targets).nats.sum().backward()
    together = replicas.gradients()
    for place, gradients in enumerate(alone):
        for name, wanted in gradients.items():
            if (
                wanted is not None
                and not (together[name][place] - wanted).abs().max() <= SAME * wanted.abs().max()
            ):
                return f"{name} of its model has another gradient there"
    return None


def _compute_gradients(model: nn.Module, inputs: Tensor, targets: Tensor) -> dict[str, Tensor | None]:
    """By name, the gradient of each parameter."""
    model.zero_grad()
    loss(model, inputs, targets).nats.backward()
    found = {name: parameter.grad for name, parameter in model.named_parameters()}
    model.zero_grad()
    return found


def _activation_bytes(replicas: Replicas, inputs: Tensor, targets: Tensor) -> int:
    """How much memory the loss of one replica keeps for its gradient, beside the weights."""
    kept: dict[int, int] = {}

    def note(x: Tensor) -> Tensor:
        kept[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
        return x

    with torch.autograd.graph.saved_tensors_hooks(note, lambda x: x):
        found = replicas.loss_of(replicas.leaves, inputs[None], targets[None])
    assert found.nats.requires_grad  # all is kept until here
    weights = {leaf.untyped_storage().data_ptr() for leaf in replicas.leaves}
    return sum(size for place, size in kept.items() if place not in weights)


def _draw_windows(n: int, run: Run, vocabulary: int) -> tuple[Tensor, Tensor]:
    """Inputs and targets, int64 (n, window) each, at random."""
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(vocabulary, (n, run.recipe.window + 1), generator=generator)
    return tokens[:, :-1], tokens[:, 1:]
