"""The pinned environment: both ways of installing it give the same software."""

import re
from pathlib import Path

import yaml

ENVS = Path(__file__).parents[1] / "envs"


def pins() -> dict[str, str]:
    lines = (ENVS / "requirements.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines)


def test_the_conda_file_has_the_same_versions() -> None:
    dependencies = yaml.safe_load((ENVS / "study.yaml").read_text())["dependencies"]
    (from_pip,) = (entry["pip"] for entry in dependencies if isinstance(entry, dict))
    assert dict(line.split("==") for line in from_pip) == pins()


def test_what_the_study_needs_is_pinned() -> None:
    wanted = (ENVS / "requirements.in").read_text().splitlines()
    names = {re.split(r"[<>=~ ]", line)[0] for line in wanted if line and not line.startswith("#")}
    pinned = {name.lower().replace("_", "-") for name in pins()}
    assert names <= pinned
    assert not any(name.startswith(("nvidia", "cuda", "triton")) for name in pinned)


def test_the_container_has_the_same_packages_and_python() -> None:
    recipe = (ENVS / "Dockerfile").read_text()
    assert "COPY envs/requirements.txt /tmp/requirements.txt\n" in recipe
    assert recipe.count("pip install") == recipe.count("--requirement /tmp/requirements.txt") == 1
    dependencies = yaml.safe_load((ENVS / "study.yaml").read_text())["dependencies"]
    (version,) = re.findall(r"^FROM python:([\d.]+)-", recipe, re.MULTILINE)
    assert f"python={version}" in dependencies


def test_what_the_workflow_catalogue_is_told_is_so() -> None:
    """Every job can have the environment from conda, none has a container; the catalogue is not to print github(…)."""
    told = yaml.safe_load((ENVS.parent / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert told["software-stack-deployment"] == {"conda": True, "apptainer": False, "apptainer+conda": False}
    text = "\n".join(file.read_text() for file in sorted((ENVS.parent / "rules").glob("*.smk")))
    jobs = [rule for rule in re.split(r"^ *rule\b", text, flags=re.MULTILINE)[1:] if "shell:" in rule]
    assert len(jobs) == text.count("shell:") > 10
    assert all(re.search(r'conda:\n +"\.\./envs/study\.yaml"', job) for job in jobs)
    assert "container" not in text
    assert told["report"]
    assert 'report: "rules/captions/workflow.rst"' in (ENVS.parent / "Snakefile").read_text()
    assert not (ENVS.parent / "config/README.md").exists()
