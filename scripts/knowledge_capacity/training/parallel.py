"""Several processes that train one run together: torchrun starts them, DDP averages their gradients.

Every process makes the same batches and trains on its rows of them, so that the run is the same as with one
process, to rounding. (Of a mixture of experts, each process routes its own rows within its own capacity.)
What must happen in all of them at the same step, saving and stopping, they agree upon.

On one machine, scripts/train.py --processes 4 starts torchrun by itself. On two, run on each of them (through
srun, for instance), where HOST is either:
torchrun --nnodes 2 --nproc-per-node 4 --rdzv-backend c10d --rdzv-endpoint HOST:29500 -- scripts/train.py …
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

import torch
import torch.distributed as dist
from torch import Tensor

from ..files import UserError


@dataclass(frozen=True)
class Team:
    """The processes of a run: how many, which of them this is (the first one writes), and how they talk."""

    size: int = 1
    rank: int = 0
    talk: Any = None  # a group on the processor, so that agreeing never waits for a GPU

    @property
    def first(self) -> bool:
        return self.rank == 0

    def rows(self, batch: Tensor) -> Tensor:
        """This process's rows of a batch (rows, window); the processes' parts differ by one row at most."""
        return batch if self.size == 1 else batch.tensor_split(self.size)[self.rank]

    def mean(self, values: Tensor) -> None:
        """Replace values by their mean over the processes; all of them must call this."""
        if self.size > 1:
            dist.all_reduce(values)
            values /= self.size

    def wait(self) -> None:
        """Go on when every process has come here."""
        if self.size > 1:
            dist.barrier(self.talk)

    def agreement(self) -> Callable[[int], int]:
        """A function to be called by all processes at every step with what each wants; it gives the most.

        With several processes, that is the most of the step before, so that none waits for the slowest.
        """
        if self.size == 1:
            return lambda wanted: wanted
        pending: list[tuple[Tensor, Any]] = []

        def agreed(wanted: int) -> int:
            most = 0
            if pending:
                said, work = pending.pop()
                work.wait()
                most = int(said)
            if not most:  # what was wanted before an answer is not wanted after it
                said = torch.tensor(wanted)
                pending.append((said, dist.all_reduce(said, dist.ReduceOp.MAX, self.talk, async_op=True)))
            return most

        return agreed


ALONE = Team()


def launch(processes: int) -> NoReturn:
    """Become torchrun, which runs this very script in so many processes on this machine."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # scripts set their threads themselves
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", "--"]
    os.execv(sys.executable, [sys.executable, *launcher, *sys.argv])  # noqa: S606 (the same script again)


def launched() -> bool:
    """Whether torchrun started this process."""
    return dist.is_torchelastic_launched()


@contextmanager
def team(device: str) -> Iterator[Team]:
    """The processes that torchrun started, or this one alone; with a GPU, each takes the one of its number.

    Raises UserError where there are fewer GPUs than processes.
    """
    size = int(os.environ["WORLD_SIZE"]) if launched() else 1
    if size == 1:
        yield ALONE
        return
    if device == "cuda":
        local, gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if local >= gpus:
            n = os.environ["LOCAL_WORLD_SIZE"]
            raise UserError(f"processes: {n} on this machine, which has {gpus} GPUs. Ask for {gpus} at most.")
        torch.cuda.set_device(local)
    dist.init_process_group("nccl" if device == "cuda" else "gloo")
    try:
        yield Team(size, dist.get_rank(), dist.new_group(backend="gloo"))
    finally:
        dist.destroy_process_group()
