"""Checkpoints: everything a killed run needs to go on as if nothing had happened.

One safetensors file: weights, both moments of AdamW and the tokens seen so far as tensors; the step, the
place in the stream and the log as JSON in the header. The file carries the identity of the run (spec and
code), and a checkpoint of another identity is never used.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ..data.windows import Cursor, Place
from ..files import replacing

MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass
class Progress:
    """How far a run has come."""

    step: int
    tokens: int
    seconds: float
    cursor: Cursor
    seen: Tensor
    losses: Tensor  # of the steps since the last point of the log
    n_losses: int
    log: list[dict[str, float]]


def save(
    path: Path, identity: str, progress: Progress, model: nn.Module, optimizer: torch.optim.AdamW
) -> None:
    """Write a checkpoint in place of the one before."""
    tensors = {"seen": progress.seen.to(torch.uint8), "losses": progress.losses}
    for name, parameter in model.named_parameters():
        state = optimizer.state[parameter]
        tensors[f"weight/{name}"] = parameter.detach()
        for moment in MOMENTS:
            tensors[f"{moment}/{name}"] = state[moment]
    header = {
        "identity": identity,
        "step": progress.step,
        "tokens": progress.tokens,
        "seconds": progress.seconds,
        "cursor": asdict(progress.cursor),
        "n_losses": progress.n_losses,
        "log": progress.log,
    }
    with replacing(path) as aside:
        save_file(
            {k: v.contiguous().cpu() for k, v in tensors.items()}, aside, {"progress": json.dumps(header)}
        )


def load(path: Path, identity: str, model: nn.Module, optimizer: torch.optim.AdamW) -> Progress | None:
    """Put a checkpoint into model and optimizer, or do nothing and return None where none fits."""
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            header: dict[str, Any] = json.loads(file.metadata()["progress"])
            if header["identity"] != identity:
                return None
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError, ValueError, KeyError, TypeError):
        return None  # damaged: starting afresh costs time, going on with it would cost the result
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(tensors[f"weight/{name}"])
            moments = {moment: tensors[f"{moment}/{name}"].to(parameter.device) for moment in MOMENTS}
            step = torch.tensor(float(header["step"]), device=parameter.device)
            optimizer.state[parameter] = {"step": step, **moments}
    cursor = header["cursor"]
    return Progress(
        step=header["step"],
        tokens=header["tokens"],
        seconds=header["seconds"],
        cursor=Cursor(Place(**cursor["useful"]), Place(**cursor["junk"]), cursor["window"]),
        seen=tensors["seen"].bool(),
        losses=tensors["losses"],
        n_losses=header["n_losses"],
        log=header["log"],
    )
