"""What the workflow tells the display to expect."""

import subprocess
from pathlib import Path

from helpers import fork_server
from helpers.run_workflow import ROOT, SMOKE, copy_tree

SCRIPT = f"""
import sys

sys.path.insert(0, {str(ROOT / "scripts")!r})
import snakemake_logger_plugin_study as plugin
from snakemake.cli import main

try:
    main(["--list-rules", *{SMOKE!r}])
except SystemExit:
    pass
rules = sys.stdin.read().split()
print("expected", *(rule for rule in rules if plugin.expected_seconds(rule) > 0))
"""


def test_the_workflow_says_what_training_takes(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    cell = "random-20-L16-T16.gpt2-2-1-d8.exposures1000-wd0-batch16-window64-warmup20"
    done = subprocess.run(
        [fork_server.python(), str(script)],
        input=f"people.random-20-L16-T16 train.{cell} measure.{cell} draw",
        cwd=copy_tree(tmp_path / "clone"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == f"expected train.{cell}"
