"""One training step, run in the fastest way that the machine and the model allow.

On a processor it is run operation by operation (eager). On a GPU the loss is compiled, and the whole step,
from inputs to updated weights, is captured (see `engine`). Nothing here waits for a GPU: losses are summed up
on the device.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.nn.parallel import DistributedDataParallel

from ..models.decoder import Decoder
from ..models.loss import Loss, loss
from ..specs import Recipe
from . import optimizers as optim
from . import qat
from .engine import Engine

Precision = Literal["fp32", "bf16", "fp16"]
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class LossModule(nn.Module):
    """A model's loss as a module, which is what compilers and DDP take."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Tensor, targets: Tensor) -> Loss:
        return loss(self.model, inputs, targets)


class Step:
    """Forward, backward, update; called with one batch after the other.

    `optimizers` and `scaler` (of losses in fp16, else None) are state that a checkpoint must hold. `sums`
    (3,) grows by each step's loss in nats a token and, for a mixture of experts, by its dropped choices and
    load. ahead: how many batches are wanted at a time.
    """

    ahead = 1

    def __init__(
        self,
        model: nn.Module,
        recipe: Recipe,
        precision: Precision,
        n_processes: int = 1,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        """n_processes: how many share each batch, with a replica each. say: told what the model refuses."""
        self._parameters = list(model.parameters())
        device = self._parameters[0].device
        compiling, capturing = execution_modes(device.type, precision, n_processes)
        if device.type == "cuda":
            torch.set_float32_matmul_precision("highest")  # some containers turn TF32 on; fp32 shall be fp32
        self._autocast: AbstractContextManager[None] = nullcontext()
        if precision in DTYPES:
            self._autocast = torch.autocast(device.type, DTYPES[precision])
        self.optimizers = optim.make_optimizers(model, recipe, capturable=capturing)
        self.scaler = GradScaler(device.type) if precision == "fp16" else None
        self.sums = torch.zeros(3, dtype=torch.float64, device=device)
        self._loss_sum, self._routing_sum = self.sums[0], self.sums[1:]
        # DDP takes the mean of the processes' gradients, where the sum of their shares of a mean is meant
        self._n_processes, self._n_targets, self._scale = n_processes, 0, torch.ones((), device=device)
        loss_of: nn.Module = (
            qat.QuantizedLoss(LossModule(model), recipe.qat) if recipe.qat else LossModule(model)
        )
        self._plain: Callable[[Tensor, Tensor], Loss] = loss_of
        if n_processes > 1:
            idle = not isinstance(model, Decoder)  # parameters of an unknown model may have no gradient
            self._plain = DistributedDataParallel(
                loss_of, forward_sync_buffers=False, find_unused_parameters=idle
            )
        self._compiled = torch.compile(self._plain) if compiling else self._plain
        self._batch: tuple[Tensor, Tensor] | None = None  # what the engine reads
        self._engine = Engine(self._run, self._forget_gradients, compiling, capturing, say)

    @property
    def engine(self) -> str:
        """How steps are run: eager, compiled or captured."""
        return self._engine.name

    def __call__(self, inputs: Tensor, targets: Tensor, n_targets: int, lr: float) -> None:
        """Train on this process's rows of a batch, int64 (rows, window) each.

        n_targets: how many targets of the whole batch, of all processes, are not ignored. lr: of this step.
        """
        optim.set_rate(self.optimizers, lr)
        if n_targets != self._n_targets:  # it is the same until the last batch
            self._scale.fill_(self._n_processes / n_targets)
            self._n_targets = n_targets
        if not self._engine.capturing:
            self._batch = inputs, targets
        elif self._batch is None:
            self._batch = inputs.clone(), targets.clone()
        else:
            self._batch[0].copy_(inputs)
            self._batch[1].copy_(targets)
        self._engine.run()

    def _run(self, compiled: bool) -> None:
        assert self._batch
        with self._autocast:
            found = (self._compiled if compiled else self._plain)(*self._batch)
        mean = found.nats * self._scale
        total = mean if found.extra is None else mean + found.extra
        (self.scaler.scale(total) if self.scaler else total).backward()
        self._loss_sum.add_(mean.detach())
        if found.routing is not None:
            self._routing_sum.add_(found.routing)
        for optimizer in self.optimizers:
            if self.scaler:
                self.scaler.step(optimizer)
            else:
                optimizer.step()
        if self.scaler:
            self.scaler.update()
        self._forget_gradients()

    def _forget_gradients(self) -> None:
        for parameter in self._parameters:
            parameter.grad = None


def chosen_precision(asked: Literal["auto"] | Precision, device: str) -> Precision:
    """The precision that a recipe asks for: auto is fp32 on a processor and bf16 on a GPU."""
    if asked == "auto":
        return "fp32" if device == "cpu" else "bf16"
    return asked


def execution_modes(device: str, precision: Precision, n_processes: int) -> tuple[bool, bool]:
    """Whether to compile the loss and whether to capture the step, for a kind of device."""
    # a scaler decides on the host whether to step, and DDP talks to other processes: no graph holds these
    return device == "cuda", device == "cuda" and precision != "fp16" and n_processes == 1
