"""One training step, run in the fastest way that the machine and the model allow.

On a processor it is run operation by operation (eager). On a GPU the loss is compiled, and the whole step,
from inputs to updated weights, is captured once as a CUDA graph and replayed from then on, so that a model
of a few thousand parameters does not wait for its kernels to be launched. A model that cannot be compiled or
captured is run in the next best way. Nothing here waits for a GPU: losses are summed up on the device.
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

Precision = Literal["fp32", "bf16", "fp16"]
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
WARM_UP = (
    3  # steps before the capture: compilers compile in them, libraries and optimisers make their buffers
)


class LossOf(nn.Module):
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
    load.
    """

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
        self._compiling, self._capturing = ways(device.type, precision, n_processes)
        if device.type == "cuda":
            torch.set_float32_matmul_precision("highest")  # some containers turn TF32 on; fp32 shall be fp32
        self._autocast: AbstractContextManager[None] = nullcontext()
        if precision in DTYPES:
            self._autocast = torch.autocast(device.type, DTYPES[precision])
        self.optimizers = optim.make(model, recipe, capturable=self._capturing)
        self.scaler = GradScaler(device.type) if precision == "fp16" else None
        self.sums = torch.zeros(3, dtype=torch.float64, device=device)
        self._loss_sum, self._routing_sum = self.sums[0], self.sums[1:]
        # DDP takes the mean of the processes' gradients, where the sum of their shares of a mean is meant
        self._n_processes, self._n_targets, self._scale = n_processes, 0, torch.ones((), device=device)
        loss_of: nn.Module = qat.AsStored(LossOf(model), recipe.qat) if recipe.qat else LossOf(model)
        self._plain: Callable[[Tensor, Tensor], Loss] = loss_of
        if n_processes > 1:
            idle = not isinstance(model, Decoder)  # parameters of an unknown model may have no gradient
            self._plain = DistributedDataParallel(
                loss_of, forward_sync_buffers=False, find_unused_parameters=idle
            )
        self._loss_of = torch.compile(self._plain) if self._compiling else self._plain
        self._batch: tuple[Tensor, Tensor] | None = None  # what the graph reads
        self._replay: Callable[[], None] | None = None
        self._done, self._say = 0, say

    @property
    def engine(self) -> str:
        """How steps are run: eager, compiled or captured."""
        if self._replay:
            return "captured"
        return "compiled" if self._compiling else "eager"

    def __call__(self, inputs: Tensor, targets: Tensor, n_targets: int, lr: float) -> None:
        """Train on this process's rows of a batch, int64 (rows, window) each.

        n_targets: how many targets of the whole batch, of all processes, are not ignored. lr: of this step.
        """
        optim.set_rate(self.optimizers, lr)
        if n_targets != self._n_targets:  # it is the same until the last batch
            self._scale.fill_(self._n_processes / n_targets)
            self._n_targets = n_targets
        if self._capturing:
            self._towards_capture(inputs, targets)
        else:
            self._run(inputs, targets)
        self._done += 1

    def _towards_capture(self, inputs: Tensor, targets: Tensor) -> None:
        """The step on the tensors that the graph reads: aside to warm up, then captured and replayed."""
        if self._batch is None:
            self._batch = torch.empty_like(inputs), torch.empty_like(targets)
        own = self._batch
        own[0].copy_(inputs)
        own[1].copy_(targets)
        if self._replay is None and self._done == WARM_UP:
            try:
                self._replay = record(lambda: self._run(*own))
            except Exception as error:  # of many kinds: what cannot be captured is for CUDA to say
                self._say(f"its steps cannot be captured as a CUDA graph ({first_line(error)})")
                self._capturing = False
                self._forget_gradients()
        if self._replay:
            self._replay()
        elif self._capturing:
            aside(lambda: self._run(*own))
        else:
            self._run(*own)

    def _run(self, inputs: Tensor, targets: Tensor) -> None:
        try:
            self._backward(inputs, targets)
        except Exception as error:
            if self._done or not self._compiling:
                raise
            # whatever a compiler raises about a model that it cannot digest; nothing was updated yet
            self._say(f"its loss cannot be compiled ({first_line(error)})")
            self._compiling, self._loss_of = False, self._plain
            self._forget_gradients()
            self._backward(inputs, targets)
        for optimizer in self.optimizers:
            if self.scaler:
                self.scaler.step(optimizer)
            else:
                optimizer.step()
        if self.scaler:
            self.scaler.update()
        self._forget_gradients()

    def _backward(self, inputs: Tensor, targets: Tensor) -> None:
        with self._autocast:
            found = self._loss_of(inputs, targets)
        mean = found.nats * self._scale
        total = mean if found.extra is None else mean + found.extra
        (self.scaler.scale(total) if self.scaler else total).backward()
        self._loss_sum.add_(mean.detach())
        if found.routing is not None:
            self._routing_sum.add_(found.routing)

    def _forget_gradients(self) -> None:
        for parameter in self._parameters:
            parameter.grad = None


def chosen_precision(asked: Literal["auto"] | Precision, device: str) -> Precision:
    """The precision that a recipe asks for: auto is fp32 on a processor and bf16 on a GPU."""
    if asked == "auto":
        return "fp32" if device == "cpu" else "bf16"
    return asked


def ways(device: str, precision: Precision, n_processes: int) -> tuple[bool, bool]:
    """Whether to compile the loss and whether to capture the step, for a kind of device."""
    # a scaler decides on the host whether to step, and DDP talks to other processes: no graph holds these
    return device == "cuda", device == "cuda" and precision != "fp16" and n_processes == 1


def aside(run: Callable[[], None]) -> None:
    """Run on a stream of its own, as what is to be captured must be beforehand."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        run()
    torch.cuda.current_stream().wait_stream(stream)


def record(run: Callable[[], None]) -> Callable[[], None]:
    """Capture, without executing, what `run` does on the GPU; what is returned executes it."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return graph.replay


def first_line(error: Exception) -> str:
    """What an error is, in one line."""
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}: {said[0]}" if said else type(error).__name__
