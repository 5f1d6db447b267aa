"""What docs/comparing.md and docs/capacity.md show is what their commands print."""

import os
import re
import subprocess

import pytest
from helpers import fork_server
from helpers.run_workflow import ROOT, TIMEOUT

PAGES = [(ROOT / "docs" / name).read_text() for name in ("comparing.md", "capacity.md")]
SHOWN = re.findall(r"```\n\$ python (.+)\n([^`]+)\n```", "\n".join(PAGES))


@pytest.mark.parametrize(("command", "output"), SHOWN, ids=[command for command, _ in SHOWN])
def test_the_page_shows_what_its_commands_print(command: str, output: str) -> None:
    done = subprocess.run(
        [fork_server.python(), *command.split()],
        cwd=ROOT,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=True,
    )
    assert done.stdout.rstrip() == output, f"paste into the page:\n{done.stdout}"


def test_there_is_something_to_show() -> None:
    assert len(SHOWN) == 6
