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
