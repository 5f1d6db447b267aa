"""What pages say: commands that exist, configurations that are sound, examples that run, counts that hold."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from knowledge_capacity.bits import request
from knowledge_capacity.capacity import measurement
from knowledge_capacity.console import amount
from knowledge_capacity.data.lengths import training_words
from knowledge_capacity.experiments import experiment_modules, paper_results
from knowledge_capacity.files import write_parquet
from knowledge_capacity.study import Study
from workflow import ROOT, copy_tree, planned

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: str, kind: str) -> list[str]:
    """The fenced blocks of a kind on a page."""
    return re.findall(rf"^```{kind}\n(.*?)^```", (ROOT / "docs" / page).read_text(), re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[str]:
    """What starts with make, whether fenced or in a sentence, without its comment."""
    fenced = re.findall(r"^(make [^\n#]*)", text, re.MULTILINE)
    return [command.strip() for command in (*fenced, *re.findall(r"`(make [^`]+)`", text))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_command_is_one(page: Path) -> None:
    """Its target, and the study that it names, are there."""
    for command in commands(page.read_text()):
        if any(word in command for word in ("…", "NAME", "STUDY=mine")):
            continue  # says itself that something must be filled in
        words = command.replace("`", "").split("OPTIONS=")[0].split()
        done = subprocess.run(
            ["make", "-n", *words[1:]], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{page.name}: {command}: {done.stderr}"
        for study in re.findall(r"STUDY=(\w+)", command):
            assert (ROOT / f"studies/{study}.yaml").exists(), f"{page.name}: {command}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name}: {target}"


def study(name: str | None) -> Study:
    return request.study_of(*request.configuration([ROOT / f"studies/{name}.yaml"] if name else []))


def test_the_sizes_of_the_studies_are_those_of_their_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    text = (ROOT / "docs/limits.md").read_text()
    lines = re.findall(r"^\| `make study(?: STUDY=(\w+))?[^|]*\| ([\d,]+) \| (\S+) \|", text, re.MULTILINE)
    assert [name for name, _, _ in lines] == ["smoke", "", "small", "gpu", "paper"]
    for name, runs, tokens in lines:
        found = study(name or None)
        words = sum(training_words(run.dataset, run.recipe) for run in found.runs.values())
        assert (f"{len(found.runs):,}", amount(words)) == (runs, tokens), name


@pytest.mark.parametrize("name", ["smoke", "small", "gpu", "paper"])
def test_each_scale_has_all_twelve_results(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert set(paper_results().values()) <= set(study(name).experiments)


def test_every_experiment_is_on_its_page() -> None:
    text = (ROOT / "docs/experiments.md").read_text()
    numbered = re.findall(r"^\| (\d+) \| `(\w+)` \|", text, re.MULTILINE)
    assert {int(number): name for number, name in numbered} == paper_results()
    assert set(re.findall(r"\| `(\w+)` \|", text)) == set(experiment_modules())


@pytest.mark.parametrize("snippet", blocks("adding.md", "yaml")[:-1])
def test_what_can_be_added_is_sound(snippet: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    (tmp_path / "mine.yaml").write_text(snippet)
    assert request.study_of(*request.configuration([tmp_path / "mine.yaml"])).runs


def test_an_experiment_is_one_file_and_one_block(tmp_path: Path) -> None:
    folder = copy_tree(tmp_path / "project")
    (module,), block = blocks("adding.md", "python"), blocks("adding.md", "yaml")[-1]
    (folder / "scripts/knowledge_capacity/experiments/widths.py").write_text(module)
    overlay = yaml.safe_load(block)
    overlay["experiments"] |= dict.fromkeys(
        yaml.safe_load((folder / "config.yaml").read_text())["experiments"]
    )
    (folder / "studies/mine.yaml").write_text(yaml.safe_dump(overlay))
    jobs = planned(folder, "--configfile", "studies/mine.yaml")
    assert (jobs["train"], jobs["figure"]) == (4, 1)
    # its figure and its claim, from real measurements of what the block asks for
    table = measurement.read(ROOT / "results/published/measurements.parquet")
    rows = [{**row, "experiments": ["widths"]} for row in table.to_pylist() if row["kind"] == "bioS"]
    write_parquet(folder / "measurements.parquet", table.from_pylist(rows, schema=table.schema))
    command = [sys.executable, "scripts/figure.py", "--experiment", "widths"]
    command += ["--measurements", "measurements.parquet", "--output", "widths"]
    subprocess.run(command, cwd=folder, check=True)
    text = (folder / "widths.md").read_text()
    assert "Learned bits against parameters" in text
    assert (folder / "widths.png").stat().st_size > 1000
    command = [sys.executable, "scripts/scorecard.py", "--measurements", "measurements.parquet"]
    command += ["--output", "card"]
    subprocess.run(command, cwd=folder, check=True)
    assert "Some width stores half a bit" in (folder / "card.md").read_text()
