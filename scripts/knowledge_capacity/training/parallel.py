"""Several processes that train one run together: torchrun starts them, DDP averages their gradients.

Every process makes the same batches and trains on its rows of them, so that the run is the same as with one
process, to rounding. (Of a mixture of experts, each process routes its own rows within its own capacity.)
What must happen in all of them at the same step, saving and stopping, they agree upon.

scripts/train.py --processes 4 starts torchrun by itself, and in a Slurm job, with --nodes 2, on each of two machines.
Without Slurm, run this on each of them, where HOST is either:
torchrun --nnodes 2 --nproc-per-node 4 --rdzv-backend c10d --rdzv-endpoint HOST:29500 -- scripts/train.py …
"""

import os
import signal
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

    def gather(self, value: Any) -> list[Any]:
        """A plain value of each process, in the first one; all of them must call this."""
        if self.size == 1:
            return [value]
        found: list[Any] = [None] * self.size
        dist.all_gather_object(found, value, self.talk)
        return found

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


def launch_processes(processes: int, nodes: int = 1) -> NoReturn:
    """Run this very script in so many processes on each of so many machines, through torchrun, and end as they end.

    Several machines are those of the Slurm job that this is in. Raises UserError where it is in none.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # scripts set their threads themselves
    where = ["--standalone"]
    if nodes > 1:
        if "SLURM_JOB_ID" not in os.environ:
            raise UserError(
                f"nodes: {nodes}, but this is not a job of Slurm, which would say where the others are. "
                "Start torchrun on each of them (docs/clusters.md)."
            )
        if os.environ.get("SLURM_STEP_NUM_NODES") != str(nodes):  # then once on each, within what the job has
            step = f"srun --overlap --nodes={nodes} --ntasks={nodes} --ntasks-per-node=1".split()
            inherited = {  # what Slurm says of the step that this is in is not true of that one
                name: value
                for name, value in os.environ.items()
                if not name.startswith(("SLURM_", "SRUN_")) or name in ("SLURM_JOB_ID", "SLURM_CONF")
            }
            os.execvpe(step[0], [*step, sys.executable, *sys.argv], inherited)  # noqa: S606 (the same script again)
        port = 20000 + int(os.environ["SLURM_JOB_ID"]) % 10000
        host = os.environ["SLURM_LAUNCH_NODE_IPADDR"]
        where = [f"--nnodes={nodes}", "--rdzv-backend=c10d", f"--rdzv-endpoint={host}:{port}"]
    from torch.distributed import run
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    try:
        run.run(run.parse_args([*where, f"--nproc-per-node={processes}", "--", *sys.argv]))
    except ChildFailedError as failed:
        status = failed.get_first_failure()[1].exitcode
        sys.exit(status if status > 0 else 128 - status)
    except SignalException:  # the processes were told too, and saved
        sys.exit(128 + signal.SIGTERM)
    sys.exit(0)


def is_launched() -> bool:
    """Whether torchrun started this process."""
    return dist.is_torchelastic_launched()


@contextmanager
def join_team(device: str) -> Iterator[Team]:
    """The processes that torchrun started, or this one alone; with a GPU, each takes the one of its number.

    Raises UserError where there are fewer GPUs than processes.
    """
    size = int(os.environ["WORLD_SIZE"]) if is_launched() else 1
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
