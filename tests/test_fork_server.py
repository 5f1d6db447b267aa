"""The python of tests/helpers/fork_server.py leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers import fork_server

SLEEPER = """
import os, sys, time
with open(sys.argv[1] + ".part", "w") as file:
    file.write(str(os.getpid()))
os.rename(file.name, sys.argv[1])
time.sleep(600)
"""
ASKED_FOR = """
import subprocess, sys
sys.path[:0] = [{tests!r}, {scripts!r}]
from helpers import fork_server
subprocess.run([fork_server.python(), *sys.argv[1:]])
"""


def wait_for(path: Path) -> int:
    deadline = time.monotonic() + 120
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return int(path.read_text())


def is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def assert_ends(process: int) -> None:
    deadline = time.monotonic() + 30
    while is_there(process):
        assert time.monotonic() < deadline, f"process {process} was left behind"
        time.sleep(0.05)


@pytest.mark.skipif(sys.platform != "linux", reason="forks are for Linux")
@pytest.mark.parametrize("fresh", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_script_ends_with_whoever_asked_for_it(tmp_path: Path, fresh: bool) -> None:
    """fresh: a process that has a server of its own, which ends with it too."""
    script, told = tmp_path / "sleeper.py", tmp_path / "pid"
    script.write_text(SLEEPER)
    command = [fork_server.python(), str(script), str(told)]
    if fresh:
        tests = Path(__file__).parent
        asked_for = ASKED_FOR.format(tests=str(tests), scripts=str(tests.parent / "scripts"))
        command = [sys.executable, "-c", asked_for, str(script), str(told)]
    with subprocess.Popen(command) as process:
        pid = wait_for(told)
        assert is_there(pid)
        process.send_signal(signal.SIGKILL)
    assert_ends(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="forks are for Linux")
def test_how_a_script_ends_is_told(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import os, sys; sys.exit(3) if sys.argv[1] == 'exit' else os.kill(os.getpid(), 9)")
    assert subprocess.run([fork_server.python(), str(script), "exit"]).returncode == 3
    assert subprocess.run([fork_server.python(), str(script), "kill"]).returncode == -signal.SIGKILL
