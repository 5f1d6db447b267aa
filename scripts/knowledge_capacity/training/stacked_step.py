"""One training step of several replicas at once, from windows to updated weights; none touches another.

Batches lie ready on the device, many steps ahead, so that a step is one call whatever the number of replicas.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import torch
from torch import Tensor

from ..specs import Recipe
from .engine import Engine
from .replicas import ParameterGroup, Replicas
from .step import DTYPES, Precision, execution_modes

# the loss of all replicas, and their update
Parts = tuple[Callable[[list[Tensor]], tuple[Tensor, Tensor]], Callable[..., None]]


class StackedStep:
    """Up to `most` steps of all replicas, one after the other, on batches that `fill` has put in place.

    A replica without a batch, or with fewer than the others, stays as it is.
    """

    def __init__(
        self,
        replicas: Replicas,
        recipe: Recipe,
        precision: Precision,
        most: int,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        """say: told what the model refuses."""
        self._replicas, device = replicas, replicas.steps.device
        compiling, capturing = execution_modes(device.type, precision, 1)
        if device.type == "cuda":
            torch.set_float32_matmul_precision("highest")  # some containers turn TF32 on; fp32 shall be fp32
        self._autocast: AbstractContextManager[None] = nullcontext()
        if precision in DTYPES:
            self._autocast = torch.autocast(device.type, DTYPES[precision])
        shape = most, replicas.size, recipe.batch_size, recipe.window
        self._inputs, self._targets = torch.zeros(2, *shape, dtype=torch.long, device=device)
        # of each step and replica, 0 where there is none: its learning rate, and one over its number of targets
        self._asked = torch.zeros(2, most, replicas.size)
        self._rates, self._scales = self._on_device = torch.zeros_like(self._asked, device=device)
        self._sums = torch.zeros(most, replicas.size, 3, device=device)
        self._at = torch.zeros(1, dtype=torch.long, device=device)  # the number of the step
        update = partial(adamw, betas=recipe.betas, eps=recipe.eps)
        self._compiled: Parts = (self._loss, update)
        self._plain = self._compiled
        if compiling:
            self._compiled = torch.compile(self._loss, dynamic=False), torch.compile(update, dynamic=False)
        self._engine = Engine(self._run, self._forget_gradients, compiling, capturing, say)

    @property
    def engine(self) -> str:
        """How steps are run: eager, compiled or captured."""
        return self._engine.name

    def fill(
        self, place: int, inputs: Tensor, targets: Tensor, n_targets: Sequence[int], rates: Sequence[float]
    ) -> None:
        """Have the replica at `place` make the next steps on these batches, int64 (steps, batch, window) each.

        n_targets, rates: for each step, how many targets are not ignored, and the learning rate.
        """
        n = len(inputs)
        self._inputs[:n, place].copy_(inputs)
        self._targets[:n, place].copy_(targets)
        self._asked[:, :n, place] = torch.tensor([rates, [1 / count for count in n_targets]])

    def run(self, steps: int) -> Tensor:
        """Make so many steps. Returns what `Progress.sums` adds up, of each: float64 (steps, replicas, 3)."""
        self._on_device.copy_(self._asked)
        self._asked.zero_()
        self._at.zero_()
        for _ in range(steps):
            self._engine.run()
        return self._sums[:steps].double().cpu()

    def _run(self, compiled: bool) -> None:
        measure, update = self._compiled if compiled else self._plain
        with self._autocast:
            total, sums = measure(self._replicas.leaves)
        total.backward()
        learning = [kind for kind in self._replicas.kinds if kind.leaf.requires_grad]
        with torch.no_grad():
            self._sums.index_copy_(0, self._at, sums[None])
            rates = self._rates.index_select(0, self._at)[0]
            update(learning, self._replicas.steps, rates)
            self._at.add_(1)
        self._forget_gradients()

    def _loss(self, leaves: list[Tensor]) -> tuple[Tensor, Tensor]:
        """What to differentiate, and (replicas, 3) the losses, dropped choices and loads to note down."""
        parts = (self._inputs, self._targets, self._scales)
        inputs, targets, scales = (part.index_select(0, self._at)[0] for part in parts)
        found = self._replicas.loss_of(leaves, inputs, targets)
        mean = found.nats * scales
        total = mean if found.extra is None else mean + found.extra
        routing = mean.new_zeros(len(mean), 2) if found.routing is None else found.routing
        return total.sum(), torch.cat([mean.detach()[:, None], routing], dim=1)

    def _forget_gradients(self) -> None:
        for leaf in self._replicas.leaves:
            leaf.grad = None


def adamw(
    kinds: list[ParameterGroup], steps: Tensor, rates: Tensor, betas: tuple[float, float], eps: float
) -> None:
    """Update each replica in place by the gradients of the leaves: AdamW, as torch has it.

    steps (replicas,): updates so far, counted on. rates (replicas,): learning rates; 0 leaves a replica as it is.
    """
    going = rates > 0
    steps.add_(going)
    first, second = (1 - beta ** steps[:, None] for beta in betas)
    for kind in kinds:
        gradient = kind.leaf.grad
        assert gradient is not None
        means = torch.lerp(kind.means, gradient, 1 - betas[0])
        squares = torch.lerp(kind.squares, gradient.square(), 1 - betas[1])
        change = means / first / ((squares / second).sqrt() + eps) + kind.weight_decay * kind.weights
        weights = kind.weights - rates[:, None] * change
        for old, new in ((kind.weights, weights), (kind.means, means), (kind.squares, squares)):
            old.copy_(torch.where(going[:, None], new, old))
