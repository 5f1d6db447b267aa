"""A python that starts at once, for tests that start many.

A job of a small study runs for a second, and before that imports torch, matplotlib or Snakemake for two. Here one
process imports them, once, and forks for each script. None of our own modules is among them, unless `start` is told so.
Each fork is a process like any other, but strings hash in all of them alike, and a forgotten import may be there
nevertheless: some tests take a python of its own for the same scripts. Where forking is not safe, outside of Linux,
`python` and `start` give that as well.

A fork ends with the one that asked for it, and all end with the tests.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
import warnings
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path

IMPORTED = """torch numpy pandas pyarrow.parquet scipy.stats scipy.optimize matplotlib.pyplot seaborn tokenizers
    safetensors.torch pydantic yaml torch._dynamo snakemake.cli""".split()


@cache
def python() -> str:
    """The path of an executable `python`, alone in its folder, that takes a script or -m and a module."""
    if sys.platform != "linux":
        return sys.executable
    address = _serve_until_exit()
    program = address.with_name("bin") / "python"
    program.parent.mkdir()
    # without site-packages and environment, to be quick
    caller = shlex.join([sys.executable, "-IS", __file__, "call", str(address)])
    program.write_text(f'#!/bin/sh\nexec {caller} "$@"\n')
    program.chmod(0o755)
    return str(program)


class Fork:
    """A script that runs in a fork of a server, with what this process has open and around it."""

    def __init__(self, address: str, arguments: list[str]) -> None:
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.connect(address)
        socket.send_fds(self._connection, [b"\n"], [0, 1, 2])
        asked = [os.getcwd(), dict(os.environ), arguments]
        self._connection.sendall(json.dumps(asked).encode() + b"\n")
        self._answers = self._connection.makefile()
        self.pid = int(self._answers.readline())

    def wait(self) -> int:
        """Its exit status once it has ended: below zero, the signal that killed it."""
        status = int(self._answers.readline())
        self._answers.close()
        self._connection.close()
        return status


def start(script: str, *arguments: str) -> "Fork | subprocess.Popen[bytes]":
    """Run a script of ours, in a fork of a process that has imported all that the script imports."""
    if sys.platform != "linux":
        return subprocess.Popen([sys.executable, script, *arguments])
    return Fork(str(_serve_until_exit(script)), [script, *arguments])


@cache
def _serve_until_exit(*scripts: str) -> Path:
    """The address of a server that has imported these scripts too."""
    opened = ExitStack()
    atexit.register(opened.close)
    address = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="warm"))) / "socket"
    server = opened.enter_context(
        subprocess.Popen(
            [sys.executable, __file__, "serve", str(address), *scripts],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            process_group=0,
        )
    )
    assert server.stdout
    assert server.stdout.readline() == "ready\n"
    return address


def call(address: str, arguments: list[str]) -> int:
    """Have a script run in a fork of the server; its exit status."""
    if arguments[0].startswith("-") and arguments[0] != "-m":
        os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606 (our own interpreter)
    status = Fork(address, arguments).wait()
    if status < 0:  # it was killed, and so are we
        os.kill(os.getpid(), -status)
    return status


def serve(address: str, scripts: list[str]) -> None:
    """Fork for each call, as long as standard input is open. Returns in forks, with everything as the caller has it."""
    for module in IMPORTED:
        importlib.import_module(module)
    for script in scripts:
        sys.path[0] = str(Path(script).absolute().parent)
        runpy.run_path(script, run_name="imported")
    gc.collect()
    gc.freeze()  # or every fork would copy all of it when it first collects garbage
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that wait for the scripts
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
        server.listen(64)
        print("ready", flush=True)
        while server in select.select([server, sys.stdin], [], [])[0]:
            connection, _ = server.accept()
            if os.fork() == 0:
                server.close()
                answer(connection)
                sys.executable = str(
                    Path(address).with_name("bin") / "python"
                )  # for what scripts start in turn
                return
            connection.close()
    os.killpg(0, signal.SIGKILL)  # this process, and all forks that are left


def answer(connection: socket.socket) -> None:
    """Start what is asked for, and tell how it ended. Returns in the process that has to run it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, files, _, _ = socket.recv_fds(connection, 1, 3)
    folder, environment, arguments = json.loads(connection.makefile().readline())
    child = os.fork()
    if child:
        for file in files:
            os.close(file)
        with suppress(OSError):
            connection.sendall(f"{child}\n".encode())
        caller = connection.fileno()
        if caller in select.select([caller, os.pidfd_open(child)], [], [])[0]:
            os.kill(child, signal.SIGKILL)  # whoever asked for it is gone
        _, status = os.waitpid(child, 0)
        with suppress(OSError):
            connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
        os._exit(0)
    connection.close()
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = arguments


def run() -> None:
    """Run sys.argv as python would."""
    if os.environ.get("PYTHONWARNINGS") == "ignore":
        warnings.simplefilter("ignore")
    if sys.argv[0] == "-m":
        del sys.argv[0]
        sys.path[0] = os.getcwd()
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = str(Path(sys.argv[0]).absolute().parent)
        runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    role, where, *rest = sys.argv[1:]
    if role == "call":
        sys.exit(call(where, rest))
    serve(where, rest)
    status = 0
    try:
        run()
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
        status = 1
    # as python ends, but without taking apart what was imported, which would take longer than many a script
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
