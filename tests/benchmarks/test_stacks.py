"""The benchmark of stacks, as scripts/commands/benchmark.py runs it: each measurement in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from knowledge_capacity.costs import cost

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parents[2] / "scripts/commands/benchmark.py"


def measured(what: str) -> dict[str, Any]:
    command = [sys.executable, str(SCRIPT), "stacks", "--one", json.dumps([what, 0])]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_one_run_and_a_stack_are_timed_at_the_same_shape() -> None:
    alone, together = measured("measure_alone"), measured("measure_together")
    assert alone["size"] > 1
    assert alone["batch_size"] * alone["window"] > 0
    # many times apart, one of them would have counted something else
    assert 0.05 < together["tokens_per_second"] / alone["tokens_per_second"] < 20
    # the planner reads them
    rates = cost.stack_rates([{**alone, "tokens_per_second_of_all": together["tokens_per_second"]}])
    step = cost.Timing(alone["layers"], alone["n_parameters"], alone["batch_size"], alone["window"], 0.0).work
    assert 0.2 < rates.seconds(step) * alone["tokens_per_second"] / step.tokens < 5
