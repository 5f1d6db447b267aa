"""What libraries say: in the log file of a job, and not on the terminal."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"
NOISY = """
import argparse, logging, sys, warnings
from knowledge_capacity import console, files

handler = logging.StreamHandler()  # as torch has one
logging.getLogger("early").addHandler(handler)
logging.getLogger("early").propagate = False


def job(arguments, log):
    logging.getLogger("some.library").warning("by a logger")
    logging.getLogger("early").warning("by a handler of its own")
    warnings.warn("by a warning")
    sys.stderr.write("by itself, 10 %\\r20 %\\rand no end of line")
    files._say_without_locks("here", "none")
    log.say("what the job says")


console.main(job, argparse.ArgumentParser(prog="noisy"))
logging.getLogger("early").warning("after the job")
"""
MODEL = """
import argparse
from knowledge_capacity import console
from knowledge_capacity.models.build import build_model
from knowledge_capacity.specs import TransformersModel

SMALL = dict(hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1)


def job(arguments, log):
    build_model(TransformersModel("Qwen3Config", SMALL | {"head_dim": 8}), 40, 64, 0)


console.main(job, argparse.ArgumentParser(prog="model"))
"""


def said(program: str, *arguments: str) -> str:
    """What a program prints to standard error."""
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, cwd=SCRIPTS, check=True, capture_output=True, text=True)
    return done.stderr


def test_what_libraries_say_is_in_the_log_file(tmp_path: Path) -> None:
    log = tmp_path / "log"
    lines = said(NOISY, "--log", str(log)).splitlines()
    assert len(lines) == 3
    assert "this file system has no locks" in lines[0]
    assert lines[1:] == ["what the job says", "after the job"]
    written = log.read_text()
    for line in (
        "by a logger",
        "by a handler of its own",
        "UserWarning: by a warning",
        "by itself, 10 %",
        "20 %",
    ):
        assert line in written
    assert written.rstrip().endswith("and no end of line")


def test_without_a_log_file_all_is_said() -> None:
    assert "by a logger" in said(NOISY)


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["--log", "job.log"]])
def test_a_model_of_transformers_is_made_without_a_word(tmp_path: Path, options: list[str]) -> None:
    options = [option.replace("job.log", str(tmp_path / "job.log")) for option in options]
    assert said(MODEL, *options) == ""
