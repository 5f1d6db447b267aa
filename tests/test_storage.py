"""The workflow with a storage provider, from another folder than its own."""

import importlib.util
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml
from helpers.run_workflow import ROOT, copy_tree, jobs_in, measured, planned, snakemake
from test_module import STUDY

pytestmark = pytest.mark.skipif(
    not importlib.util.find_spec("snakemake_storage_plugin_fs") or not shutil.which("rsync"),
    reason="needs snakemake-storage-plugin-fs and rsync",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a study and nothing else, beside a clone."""
    copy_tree(tmp_path / "a clone")
    folder = tmp_path / "a study"
    folder.mkdir()
    (folder / "study.yaml").write_text(STUDY)
    return folder


def arguments(folder: Path) -> list[str]:
    """How a study is run there: all results are in a folder beside it."""
    clone, storage = folder.with_name("a clone"), folder.with_name("a storage")
    return [
        *("--snakefile", f"{clone}/Snakefile", "--workflow-profile", f"{clone}/envs/local"),
        *("--default-storage-provider", "fs", "--default-storage-prefix", str(storage)),
        *("--configfile", "study.yaml"),
    ]


def test_commands_name_the_copies_of_what_is_in_the_storage(folder: Path) -> None:
    output = snakemake(folder, *arguments(folder), "--dry-run", "--cores", "1", "--printshellcmds")
    copies = f".snakemake/storage/fs{folder.with_name('a storage')}/results"
    commands = re.findall(r"python .*\.py.*", output)
    assert len(commands) == sum(jobs_in(output).values())
    for command in commands:
        assert "results" not in command.replace(copies, "").replace("--results", ""), command


@pytest.mark.parametrize("source", ["theirs.parquet", "published"])
def test_sources_are_files_of_the_working_directory(folder: Path, source: str) -> None:
    (folder / "results/published").mkdir(parents=True)
    for copy in (folder / "theirs.parquet", folder / "results/published/measurements.parquet"):
        shutil.copy(ROOT / "results/published/measurements.parquet", copy)
    jobs = planned(folder, *arguments(folder), "--config", f"source={source}", "--", "figures")
    assert jobs.keys() == {"collect_sources", "draw", "figures"}


@pytest.mark.slow
def test_a_study_in_a_storage_measures_what_it_measures_here(folder: Path, tmp_path: Path) -> None:
    snakemake(folder, *arguments(folder), "--cores", "2", "--", "all", "data_cards")
    storage = folder.with_name("a storage")
    assert not (folder / "results").exists()
    assert (storage / "results/error_budget.md").exists()
    assert 'id="curves"' in (storage / "results/explorer.html").read_text()
    shutil.copy(folder / "study.yaml", folder.with_name("a clone"))
    here = folder.with_name("a clone")
    snakemake(here, "--cores", "2", "--configfile", "study.yaml")
    pd.testing.assert_frame_equal(measured(storage), measured(here))
    shutil.rmtree(folder / ".snakemake/storage")
    assert planned(folder, *arguments(folder)) == {}, "nothing is needed but what is in the storage"

    more = yaml.safe_load(STUDY)
    more["experiments"]["base_law"]["seeds"] = [0, 1]
    more["experiments"]["base_law"]["grids"][0]["datasets"] = ["tiny"]
    (folder / "study.yaml").write_text(yaml.safe_dump(more))
    jobs = planned(folder, *arguments(folder))
    assert jobs["people"] == 1, "those of the first seed stay"
    snakemake(folder, *arguments(folder), "--cores", "2")
    before, after = measured(here).query("kind == 'bioS'"), measured(storage)
    kept = after[after.run.isin(before.run)].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, before.reset_index(drop=True))
