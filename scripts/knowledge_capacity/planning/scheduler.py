"""What Slurm and Snakemake's plugin for it make of the resources of jobs, and how long a partition lets them run."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from typing import Any

from ..files import UserError

SHARES_GPU = re.compile(r"(gpu|shard|mps)\b")


def asks_for_gpu(given: Mapping[str, Any]) -> bool:
    """Whether resources have a GPU, or a share of one. gres may be of something else, such as a disk."""
    return given.get("gpu", 0) not in (0, None) or bool(SHARES_GPU.match(str(given.get("gres", ""))))


def spread_over_machines(given: Mapping[str, Any]) -> dict[str, Any]:
    """The resources of a training job as the plugin takes them: one task on each machine, which has its own GPUs.

    Beside GPUs, the plugin takes `tasks` for those of each GPU; and it starts a job on its first machine, where all of
    `gpu` would have to be. Raises UserError for tasks that are not the machines, and GPUs that these cannot share.
    """
    found = {name: value for name, value in given.items() if name != "tasks"}
    nodes, gpus = given.get("nodes", 1), given.get("gpu", 0)
    if given.get("tasks", nodes) != nodes:
        raise UserError(
            f"train:tasks={given['tasks']}: a training job has one task on each machine, and starts its processes "
            "itself. Leave tasks out, and set train:nodes and train:processes."
        )
    if not asks_for_gpu(given):
        return found | ({"tasks": nodes} if nodes != 1 else {})
    if nodes == 1 or not gpus or callable(gpus) or callable(nodes):
        return found
    if "gres" in found:
        raise UserError(f"train:gpu={gpus} beside train:gres={found['gres']}: set one of them.")
    if gpus % nodes:
        raise UserError(
            f"train:gpu={gpus}: {nodes} machines cannot have as many each. Set train:gpu to a multiple of train:nodes."
        )
    model = found.pop("gpu_model", None)
    del found["gpu"]
    return found | {"gres": ":".join(["gpu", *([model] if model else []), str(gpus // nodes)])}


def describe_partition(partition: str | None) -> str:
    return f"the partition {partition}" if partition else "the default partition"


@cache
def partition_minutes(partition: str | None) -> int | None:
    """How long a job may run in a partition of Slurm, or in the default one; None where that has no limit.

    None too where there is no Slurm, or it does not answer. partition: its name, or several with commas between.
    """
    sinfo = shutil.which("sinfo")
    if not sinfo:
        return None
    try:
        said = subprocess.run(  # noqa: S603 (a fixed command)
            [sinfo, "--noheader", "--format=%P %l"], capture_output=True, text=True, check=False, timeout=60
        ).stdout
    except subprocess.TimeoutExpired:
        return None
    limits = dict(line.split() for line in said.splitlines())
    wanted = (
        partition.split(",") if partition else [name.rstrip("*") for name in limits if name.endswith("*")]
    )
    found = [parse_minutes(limit) for name, limit in limits.items() if name.rstrip("*") in wanted]
    return max((one for one in found if one), default=None) if all(found) else None


def parse_minutes(limit: str) -> int | None:
    """The minutes of a limit as Slurm writes it, [days-][hours:]minutes:seconds; None for one without an end."""
    days, _, clock = limit.rpartition("-")
    if not re.fullmatch(r"\d+(:\d+)+", clock):
        return None
    hours, minutes, _ = ([0, 0] + [int(part) for part in clock.split(":")])[-3:]
    return int(days or 0) * 24 * 60 + hours * 60 + minutes
