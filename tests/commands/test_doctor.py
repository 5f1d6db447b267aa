"""make doctor: what a report of a fault needs."""

import subprocess
import sys
from pathlib import Path

import pytest

DOCTOR = Path(__file__).parents[2] / "scripts/commands/doctor.py"


def examine(folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, DOCTOR], cwd=folder, capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout


def test_a_sound_machine_is_described(tmp_path: Path) -> None:
    found = examine(tmp_path)
    for name in ("python", "torch", "snakemake", "processor", "GPUs", "compiler", "free disk"):
        assert f"\n{name}:" in found, name
    assert "locks:         none" in found
    assert "logs:          none tells of a failure" in found


@pytest.mark.parametrize("said", ["Traceback (most recent call last):", "UserError: there is no such file"])
def test_locks_and_the_ends_of_failed_logs_are_shown(tmp_path: Path, said: str) -> None:
    (tmp_path / ".snakemake/locks").mkdir(parents=True)
    (tmp_path / ".snakemake/locks/0.input.lock").touch()
    logs = tmp_path / "results/logs/train"
    logs.mkdir(parents=True)
    (logs / "sound.log").write_text("12:00:00 done\n")
    (logs / "bad.log").write_text("".join(f"line {i}\n" for i in range(40)) + f"{said}\nthe end\n")
    found = examine(tmp_path)
    assert "locks:         1: a study is at work here, or was killed" in found
    assert "bad.log, its last lines" in found
    assert "  the end\n" in found
    assert "line 1\n" not in found
    assert "sound.log" not in found
