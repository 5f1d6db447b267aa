"""The summary after a study: what is open, and the commands that would decide it."""

import json
import subprocess
import sys
from pathlib import Path

from helpers.run_workflow import ROOT, TIMEOUT

OPEN = {"verdict": "undecided", "found": "", "scale": "3K parameters: gpt2", "why": "too few seeds: one"}
CLAIMS = [
    {"claim": "1. A holds", "verdict": "found", "found": "A is 2.", "scale": "3K parameters: gpt2"},
    {
        **OPEN,
        "claim": "2. B holds",
        "step": "One seed gives no interval: 2 more seeds would give one.",
        "cost": "9 s of a core",
        "command": "make study SEEDS=3 ONLY=extraction",
    },
    {**OPEN, "claim": "C holds", "step": "Take a larger one, on more people.", "cost": "", "command": ""},
]


def print_summary(folder: Path, claims: list[dict[str, str]], *options: str) -> list[str]:
    (folder / "scorecard.json").write_text(json.dumps(claims))
    command = [sys.executable, str(ROOT / "scripts/commands/summary.py"), "scorecard.json", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=TIMEOUT)
    return done.stdout.splitlines()


def test_an_open_claim_has_its_command_and_time(tmp_path: Path) -> None:
    said = print_summary(tmp_path, CLAIMS, "--study", "smoke")
    assert said[2:] == [
        "  * A is 2. [found: 3K parameters]",
        "1 claim has too few seeds to be decided. What would help, the cheapest first:",
        "  * B holds. One seed gives no interval: 2 more seeds would give one.",
        "    make study STUDY=smoke SEEDS=3 ONLY=extraction (9 s of a core)",
        "1 more open claim, and what would decide it: scorecard.md",
    ]
    assert "    make study SEEDS=3 ONLY=extraction (9 s of a core)" in print_summary(tmp_path, CLAIMS)


def test_decided_claims_ask_for_nothing(tmp_path: Path) -> None:
    assert print_summary(tmp_path, CLAIMS[:1])[2:] == ["  * A is 2. [found: 3K parameters]"]
