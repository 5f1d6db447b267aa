"""Where a job runs; of several GPUs, on the one with the fewest jobs, where many small runs share a machine.

Snakemake limits how many jobs run at once (`gpu_slots` in envs/gpu/profile.yaml) but never says on which
GPU. So each job takes a lease: a lock on a file of its GPU, held while its process lives, however it ends.
"""

import argparse
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import torch

from .files import lock_file

VISIBLE = "CUDA_VISIBLE_DEVICES"
TORCHRUN = "TORCHELASTIC_RUN_ID"  # it assigns the GPUs of its processes itself


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that say what a job may use."""
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: 1)")
    parser.add_argument("--device", default="auto", help="cpu, cuda or auto (default: auto)")


@contextmanager
def hold_device(options: argparse.Namespace) -> Iterator[str]:
    """The device that a job measures on, with fp32 as fp32; a GPU is leased until the end.

    options: those of add_arguments.
    """
    torch.set_num_threads(options.threads)
    torch.set_float32_matmul_precision("highest")  # some containers turn TF32 on
    file = lease_gpu() if options.device != "cpu" else None
    try:
        yield resolve_device(options.device)
    finally:
        if file:
            file.close()


def resolve_device(name: str) -> str:
    """The device that a name stands for: auto is the GPU where there is one."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return name


def lease_gpu() -> IO[str] | None:
    """Take the GPU with the fewest leases for this process, by setting CUDA_VISIBLE_DEVICES.

    To be called before CUDA starts, since it reads that variable once. The lease lasts until the returned
    file is closed or the process ends. None, and nothing is changed, where there is no GPU or where torchrun
    assigns them. (Slurm names a job's GPUs in CUDA_VISIBLE_DEVICES, so the lease is one of them.)
    """
    if TORCHRUN in os.environ:
        return None
    gpus = visible_gpus()
    if not gpus:
        return None
    gpu, file = take_lease(gpus, Path(tempfile.gettempdir()) / f"knowledge-capacity-{os.getuid()}")
    os.environ[VISIBLE] = gpu
    return file


def visible_gpus() -> list[str]:
    """The GPUs that this process may use, by number or UUID: those of CUDA_VISIBLE_DEVICES, else all."""
    if VISIBLE in os.environ:
        named = [name.strip() for name in os.environ[VISIBLE].split(",")]
        return [name for name in named if name not in ("", "-1")]
    smi = shutil.which("nvidia-smi")
    if not smi:
        return []
    found = subprocess.run([smi, "-L"], capture_output=True, text=True, check=False)  # noqa: S603 (a fixed command)
    return parse_gpu_list(found.stdout)


def parse_gpu_list(text: str) -> list[str]:
    """The UUIDs in what `nvidia-smi -L` says; of a GPU that is divided (MIG), those of its parts."""
    uuids: list[str] = []
    for uuid in re.findall(r"UUID: ((?:GPU|MIG)-[^)\s]+)", text):
        if uuid.startswith("MIG-") and uuids and uuids[-1].startswith("GPU-"):
            uuids.pop()
        uuids.append(uuid)
    return uuids


def take_lease(gpus: list[str], folder: Path) -> tuple[str, IO[str]]:
    """A lease on the GPU with the fewest (the first of equals): its name, and the locked file.

    A lease is a lock on FOLDER/gpu-NAME.NUMBER. One process chooses at a time, so that each sees the leases
    of all before.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(folder / "choosing", "a") as choosing:
        lock_file(choosing, wait=True)
        found = {gpu: _count_leases(folder, gpu) for gpu in gpus}
        gpu = min(gpus, key=lambda gpu: found[gpu][0])
        file = open(found[gpu][1], "a")  # noqa: SIM115 (open for as long as the lease is held)
        lock_file(file)
    return gpu, file


def _count_leases(folder: Path, gpu: str) -> tuple[int, Path]:
    """How many leases a GPU has, and a file that is free for another."""
    name = re.sub(r"[^\w-]", "_", gpu)
    held, number, free = 0, 0, None
    while (path := folder / f"gpu-{name}.{number}").exists():
        with open(path, "a") as file:
            if lock_file(file):
                free = free or path
            else:
                held += 1
        number += 1
    return held, free or path
