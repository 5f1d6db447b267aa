"""Leases on GPUs: many jobs share them evenly, and what a killed one held is free again."""

import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from knowledge_capacity import devices

SCRIPTS = Path(devices.__file__).parents[1]
HOLDER = """
import sys
from pathlib import Path
from knowledge_capacity import devices
gpu, file = devices.take_lease(sys.argv[2:], Path(sys.argv[1]))
print(gpu, flush=True)
sys.stdin.read()
"""
Holder = subprocess.Popen[str]


@contextmanager
def holders(number: int, gpus: list[str], folder: Path) -> Iterator[list[Holder]]:
    """So many processes that take a lease at the same time, and hold it until their input ends."""
    command = [sys.executable, "-c", HOLDER, str(folder), *gpus]
    with ExitStack() as stack:
        started = [
            stack.enter_context(
                subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    env={"PYTHONPATH": str(SCRIPTS)},
                )
            )
            for _ in range(number)
        ]
        yield started
        for process in started:
            assert process.stdin
            process.stdin.close()


def taken(holder: Holder) -> str:
    assert holder.stdout
    return holder.stdout.readline().strip()


@pytest.mark.slow
def test_jobs_that_start_together_spread_evenly_and_the_killed_ones_make_room(tmp_path: Path) -> None:
    gpus = ["GPU-aa", "GPU-bb"]
    with holders(12, gpus, tmp_path) as started:
        by_holder = {holder: taken(holder) for holder in started}
        assert Counter(by_holder.values()) == {"GPU-aa": 6, "GPU-bb": 6}
        killed = [holder for holder, gpu in by_holder.items() if gpu == "GPU-bb"][:4]
        for holder in killed:
            holder.kill()
            holder.wait()
        with holders(4, gpus, tmp_path) as more:
            assert [taken(holder) for holder in more] == ["GPU-bb"] * 4
    assert len(list(tmp_path.glob("gpu-GPU-*"))) == 12, "files of killed holders are used again"


def test_a_lease_ends_with_its_file(tmp_path: Path) -> None:
    first, file = devices.take_lease(["0", "1"], tmp_path)
    second, _other = devices.take_lease(["0", "1"], tmp_path)
    file.close()
    third, _third = devices.take_lease(["0", "1"], tmp_path)
    assert [first, second, third] == ["0", "1", "0"]


def test_the_job_sees_the_gpu_that_it_leased(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(devices.TORCHRUN, raising=False)
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    found = []
    files = []
    for _ in range(3):
        monkeypatch.setenv(devices.VISIBLE, "2, GPU-aa")
        files.append(devices.lease_gpu())
        found.append(os.environ[devices.VISIBLE])
    assert found == ["2", "GPU-aa", "2"]
    assert all(files)


def test_where_torchrun_assigns_gpus_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(devices.TORCHRUN, "1")
    monkeypatch.setenv(devices.VISIBLE, "0,1")
    assert devices.lease_gpu() is None
    assert os.environ[devices.VISIBLE] == "0,1"


@pytest.mark.parametrize("visible", ["", "-1"])
def test_without_gpus_nothing_happens(monkeypatch: pytest.MonkeyPatch, visible: str) -> None:
    monkeypatch.delenv(devices.TORCHRUN, raising=False)
    monkeypatch.setenv(devices.VISIBLE, visible)
    assert devices.lease_gpu() is None
    assert os.environ[devices.VISIBLE] == visible
    monkeypatch.delenv(devices.VISIBLE)
    monkeypatch.setenv("PATH", "")
    assert devices.visible_gpus() == []


def test_the_listing_of_nvidia_smi_is_understood(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said = """GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-11)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-22)
  MIG 3g.20gb     Device  0: (UUID: MIG-aa)
  MIG 3g.20gb     Device  1: (UUID: MIG-bb)
GPU 2: NVIDIA A100-SXM4-40GB (UUID: GPU-33)"""
    wanted = ["GPU-11", "MIG-aa", "MIG-bb", "GPU-33"]
    assert devices.parse_gpu_list(said) == wanted
    assert devices.parse_gpu_list("NVIDIA-SMI has failed") == []
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\ntest \"$1\" = -L && cat <<'END'\n{said}\nEND\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.delenv(devices.VISIBLE, raising=False)
    assert devices.visible_gpus() == wanted
