"""Checkpoints: everything a killed run needs to go on as if nothing had happened.

One safetensors file: weights and buffers, the state of the optimisers and the tokens seen so far as tensors; plain
numbers, the place in the stream, the log and where random generators stand, of each process, as JSON in the header.
The file carries the identity of the run (spec and code), and one of another identity is never used.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler

from .. import tensorfile
from ..data.windows import Cursor, StreamPosition
from ..models.build import kept_buffers
from ..models.generators import States, generator_states, restore_generators
from ..tensorfile import DamagedFileError


class Stateful(Protocol):
    """What a checkpoint needs of an optimiser, such as torch's: its parameters, and what it keeps about each."""

    param_groups: list[dict[str, Any]]
    state: Any


@dataclass
class Progress:
    """How far a run has come.

    seen (vocabulary,): tokens that were a target. sums (3,): over the steps since the last point of the log,
    the loss, and of a mixture of experts the dropped choices and the load. n_sums: how many steps these are.
    dropped: the dropped choices, summed over the steps up to the last point of the log. average: see `averaging`.
    snapshots: weights on the way, by "snapshot/weight" as they are saved.
    """

    seen: Tensor
    sums: Tensor
    n_sums: int = 0
    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    dropped: float = 0.0
    cursor: Cursor = field(default_factory=Cursor)
    log: list[dict[str, float]] = field(default_factory=list)
    average: dict[str, Tensor] = field(default_factory=dict)
    snapshots: dict[str, Tensor] = field(default_factory=dict)


PLAIN = ("n_sums", "step", "tokens", "seconds", "dropped", "log")


def save_checkpoint(
    path: Path,
    identity: str,
    progress: Progress,
    model: nn.Module,
    optimizers: Sequence[Stateful],
    scaler: GradScaler | None = None,
    states: Sequence[States] | None = None,
) -> None:
    """Write a checkpoint in place of the one before.

    scaler: that of the losses in fp16. states: of the generators of each process that trains; by default of this one.
    """
    tensors = {"seen": progress.seen.to(torch.uint8), "sums": progress.sums}
    numbers: dict[str, dict[str, Any]] = {}
    for name, parameter in model.named_parameters():
        tensors[f"weight/{name}"] = parameter.detach()
        for key, value in _optimizer_state(parameter, optimizers).items():
            if isinstance(value, Tensor):
                tensors[f"state/{name}/{key}"] = value
            else:
                numbers.setdefault(name, {})[key] = value
    for name, buffer in kept_buffers(model):
        tensors[f"buffer/{name}"] = buffer
    for part, named in (("average", progress.average), ("snapshots", progress.snapshots)):
        tensors |= {f"{part}/{name}": tensor for name, tensor in named.items()}
    header = {
        "identity": identity,
        **{name: getattr(progress, name) for name in PLAIN},
        "cursor": asdict(progress.cursor),
        "numbers": numbers,
        "scaler": scaler.state_dict() if scaler else None,
        "random": [generator_states(model)] if states is None else states,
    }
    tensorfile.write_tensors(path, tensors, {"progress": json.dumps(header)})


def load_checkpoint(
    path: Path,
    identity: str,
    model: nn.Module,
    optimizers: Sequence[Stateful],
    scaler: GradScaler | None = None,
    rank: int = 0,
) -> Progress | None:
    """Put a checkpoint into model, optimizers and generators, or do nothing and return None where none fits.

    rank: which of the processes that train this is; of one more than there were, the generators stay as they are.
    Tensors of the progress are on the CPU.
    """
    if not path.exists():
        return None
    try:
        tensors, texts = tensorfile.read_tensors(path)
        header: dict[str, Any] = json.loads(texts["progress"])
        if header["identity"] != identity:
            return None
    except (DamagedFileError, OSError, ValueError, KeyError, TypeError):
        return None  # damaged: starting afresh costs time, going on with it would cost the result
    owner = {id(p): o for o in optimizers for group in o.param_groups for p in group["params"]}
    states: dict[str, dict[str, Any]] = {name: dict(values) for name, values in header["numbers"].items()}
    for name, tensor in tensors.items():
        if name.startswith("state/"):
            of, _, key = name.removeprefix("state/").rpartition("/")
            states.setdefault(of, {})[key] = tensor
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(tensors[f"weight/{name}"])
            if name in states:  # a parameter that no loss depends on has no state
                owner[id(parameter)].state[parameter] = {
                    key: value.to(parameter.device) if isinstance(value, Tensor) else value
                    for key, value in states[name].items()
                }
        for name, buffer in kept_buffers(model):
            buffer.copy_(tensors[f"buffer/{name}"])
    if rank < len(header["random"]):
        restore_generators(model, header["random"][rank])
    if scaler and header["scaler"]:
        scaler.load_state_dict(header["scaler"])
    cursor = header["cursor"]
    return Progress(
        seen=tensors["seen"].bool(),
        sums=tensors["sums"],
        average=_select_named(tensors, "average"),
        snapshots=_select_named(tensors, "snapshots"),
        cursor=Cursor(StreamPosition(**cursor["useful"]), StreamPosition(**cursor["junk"]), cursor["window"]),
        **{name: header[name] for name in PLAIN},
    )


def _select_named(tensors: dict[str, Tensor], part: str) -> dict[str, Tensor]:
    """The tensors of a part of the progress, by their names there."""
    start = f"{part}/"
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}


def _optimizer_state(parameter: nn.Parameter, optimizers: Sequence[Stateful]) -> dict[str, Any]:
    """What the optimisers keep about a parameter."""
    return {k: v for optimizer in optimizers for k, v in optimizer.state.get(parameter, {}).items()}
