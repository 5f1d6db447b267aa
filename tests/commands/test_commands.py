"""Every Snakemake command in the documents plans what it is said to: each is run, dry, where a user would run it."""

import re
import shlex
from pathlib import Path

import pytest
from helpers.run_workflow import ROOT, copy_tree, snakemake

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "envs").glob("*/*.yaml"))]
# the last ones are somebody's own: an experiment, a clone, and a plugin that is not installed
NOT_PLANS = ("--unlock", "--report", "…", "result_13", "CLONE/", "--default-storage-provider s3")


def commands() -> list[str]:
    """All of them, whether fenced or in a sentence, without comments."""
    found: dict[str, None] = {}
    for page in PAGES:
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        for command in (
            *re.findall(r"^snakemake [^\n#]*", text, re.MULTILINE),
            *re.findall(r"`(snakemake [^`]+)`", text),
        ):
            if not any(word in command for word in NOT_PLANS):
                found[" ".join(command.split())] = None
    return list(found)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = copy_tree(tmp_path_factory.mktemp("commands") / "a clone")
    (made / "results").mkdir(exist_ok=True)
    (made / "results/published").symlink_to(ROOT / "results/published")
    return made


@pytest.mark.slow
@pytest.mark.parametrize("command", commands())
def test_a_command_plans_something(folder: Path, command: str) -> None:
    words = shlex.split(command.partition("|")[0])[1:]  # what reads the plan has tests of its own
    assert {"--cores", "--jobs", "--dry-run", "--workflow-profile"} & set(words), "Snakemake refuses to start"
    said = snakemake(folder, "--dry-run", *words)
    assert re.search(r"^total +\d+$", said, re.MULTILINE)


def test_the_documents_have_commands() -> None:
    assert len(commands()) >= 8
