"""Several replicas of a model side by side: their weights, the state of AdamW, and their losses.

All matrices of all replicas are one tensor, and all other parameters another, so that an update is a few kernels
however many parameters and replicas there are.
"""

import copy
from collections.abc import Collection
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.optim import Optimizer

from ..models.decoder import Decoder
from ..models.loss import Loss
from ..specs import Recipe
from .optimizers import is_matrix
from .step import LossModule


class Layout(NamedTuple):
    """Which parameters lie one after the other in the last axis of a tensor."""

    names: list[str]
    shapes: list[torch.Size]

    def views(self, long: Tensor) -> dict[str, Tensor]:
        """By name, each parameter (…, *shape) in a tensor (…, all)."""
        parts = long.split([shape.numel() for shape in self.shapes], dim=-1)
        return {
            name: part.view(*long.shape[:-1], *shape)
            for name, shape, part in zip(self.names, self.shapes, parts, strict=True)
        }


class ParameterGroup(NamedTuple):
    """Parameters that are updated alike, of all replicas: (replicas, all) each, and `layout` says which.

    leaf: the same memory as weights, for gradients to be taken of. means, squares: of gradients, as AdamW keeps them.
    """

    layout: Layout
    weight_decay: float
    weights: Tensor
    leaf: Tensor
    means: Tensor
    squares: Tensor


class Replicas:
    """So many replicas of a model.

    kinds: matrices, the rest, and parameters that have no gradient (whose leaf needs none). steps (replicas,):
    how many updates each replica has had, float32. loss_of: see LossOfReplicas.
    """

    def __init__(self, model: nn.Module, size: int, recipe: Recipe, idle: Collection[str] = ()) -> None:
        """model: one like them, on the device where they shall be. idle: names of parameters without gradient."""
        model = copy.deepcopy(model).train()
        own = dict(model.named_parameters())
        device = next(iter(own.values())).device
        matrices = [name for name, p in own.items() if is_matrix(name, p) and name not in idle]
        others = [name for name in own if name not in {*matrices, *idle}]
        self.kinds = []
        for names, decay in ((matrices, recipe.weight_decay), (others, 0.0), (list(idle), 0.0)):
            layout = Layout(names, [own[name].shape for name in names])
            length = sum(own[name].numel() for name in names)
            weights, means, squares = torch.zeros(3, size, length, device=device)
            leaf = weights.detach().requires_grad_(not set(names) <= set(idle))
            if names:
                self.kinds.append(ParameterGroup(layout, decay, weights, leaf, means, squares))
        self.size, self.steps = size, torch.zeros(size, device=device)
        self.loss_of = ReplicaLoss(model, [kind.layout for kind in self.kinds])

    @property
    def leaves(self) -> list[Tensor]:
        """All weights, (replicas, …) each, as `loss_of` takes them."""
        return [kind.leaf for kind in self.kinds]

    def gradients(self) -> dict[str, Tensor]:
        """By name, the gradients (replicas, *shape) of all parameters that have one."""
        has = [(kind.layout, kind.leaf.grad) for kind in self.kinds if kind.leaf.grad is not None]
        return {name: view for layout, grad in has for name, view in layout.views(grad).items()}

    @torch.no_grad()
    def put(self, place: int, model: nn.Module, optimizer: Optimizer) -> None:
        """Make the replica at `place` one with the weights of a model and the state of its optimiser."""
        own = dict(model.named_parameters())
        self.steps[place] = 0
        for kind in self.kinds:
            kept = (kind.weights, kind.means, kind.squares)
            weights, means, squares = (kind.layout.views(long[place]) for long in kept)
            for name in kind.layout.names:
                weights[name].copy_(own[name])
                state = optimizer.state.get(own[name]) or {"step": 0, "exp_avg": 0, "exp_avg_sq": 0}
                means[name][...], squares[name][...] = state["exp_avg"], state["exp_avg_sq"]
                if kind.leaf.requires_grad:
                    self.steps[place] = state["step"]

    @torch.no_grad()
    def take(self, place: int, model: nn.Module, optimizer: Optimizer) -> None:
        """Give a model the weights of the replica at `place`, and its optimiser the replica's state."""
        own = dict(model.named_parameters())
        for kind in self.kinds:
            kept = (kind.weights, kind.means, kind.squares)
            weights, means, squares = (kind.layout.views(long[place].clone()) for long in kept)
            for name in kind.layout.names:
                own[name].copy_(weights[name])
                if kind.leaf.requires_grad:
                    optimizer.state[own[name]] = {
                        "step": self.steps[place].clone(),
                        "exp_avg": means[name],
                        "exp_avg_sq": squares[name],
                    }


class ReplicaLoss(nn.Module):
    """The loss of every replica on its own windows, each as if it were alone."""

    def __init__(self, model: nn.Module, layouts: list[Layout]) -> None:
        super().__init__()
        self.loss_of, self._layouts = LossModule(model), layouts

    def forward(self, leaves: list[Tensor], inputs: Tensor, targets: Tensor) -> Loss:
        """leaves: (replicas, …) each, in these layouts; inputs, targets int64 (replicas, batch, window)."""
        own = {
            f"model.{name}": view
            for layout, long in zip(self._layouts, leaves, strict=True)
            for name, view in layout.views(long).items()
        }
        if isinstance(self.loss_of.model, Decoder):
            return functional_call(self.loss_of, own, (inputs, targets))
        # only the plain way of attention is one operation for all replicas
        with sdpa_kernel(SDPBackend.MATH):
            return Loss(vmap(self._nats)(own, inputs, targets))

    def _nats(self, own: dict[str, Tensor], inputs: Tensor, targets: Tensor) -> Tensor:
        return functional_call(self.loss_of, own, (inputs, targets)).nats
