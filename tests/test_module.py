"""The workflow as a module of another one: from where it lies, with a prefix, and with a configuration of its own."""

import re
import shutil
from pathlib import Path

import git
import pyarrow.parquet as pq
import pytest
from helpers.run_workflow import ROOT, copy_tree, jobs_in, planned, snakemake

SNAKEFILE = """
configfile: "a clone/config.yaml"
configfile: "study.yaml"


module knowledge:
    snakefile:
        "a clone/Snakefile"
    config:
        config
    prefix:
        "kc"


use rule * from knowledge as kc_*


rule mine:
    default_target: True
    input:
        "kc/results/measurements.parquet",
    output:
        "mine.parquet",
    shell:
        "cp {input:q} {output:q}"
"""
STUDY = """
datasets:
  tiny:
    kind: bioS
    n_people: 20
    templates: 1
    pools: &pools {first_names: 4, middle_names: 4, last_names: 64, birth_years: 4, cities: 4}
  written: {kind: bioG, n_people: 20, rewrites: 4, tokenizer: bpe-400, pools: *pools}
recipes:
  short: {exposures: 4, lr: 2e-2, weight_decay: 0, batch_size: 4, window: 64, warmup_steps: 2}
quantizers:
  int8-gptq: {method: gptq, bits: 8}
extractions:
  questions: {rank: 2, lr: 2e-2, epochs: 1}
only: [base_law]
experiments:
  base_law:
    seeds: [0]
    variants: [fp32, int8, int8-gptq, questions]
    grids:
      - {datasets: [tiny, written], architectures: [gpt2-2-1-d8], recipes: [short]}
"""
STAGES = {
    "people",
    "tokenizer",
    "rewrites",
    "encode",
    "train",
    "quantize",
    "extract",
    "measure",
    "collect_study",
}


@pytest.fixture
def outer(tmp_path: Path) -> Path:
    """A folder with a workflow that has this one, in a clone, as a module."""
    folder = tmp_path / "a workflow"
    folder.mkdir()
    copy_tree(folder / "a clone")
    (folder / "Snakefile").write_text(SNAKEFILE)
    (folder / "study.yaml").write_text(STUDY)
    return folder


def test_a_module_has_scripts_and_results_where_they_are(outer: Path) -> None:
    output = snakemake(
        outer, "--dry-run", "--cores", "1", "--printshellcmds", "--", "mine", "kc_all", "kc_data_cards"
    )
    assert output.count("This study is a clone/config.yaml, and over it study.yaml.\n") == 1
    jobs = jobs_in(output)
    stages = {*STAGES, "draw", "explorer", "error_budget", "data_card"}
    assert jobs.keys() == {"mine", "kc_all", "kc_data_cards", *(f"kc_{stage}" for stage in stages)}
    commands = re.findall(r"python .*\.py.*", output)
    assert len(commands) == sum(jobs.values()) - 3
    for command in commands:
        assert command.startswith("python 'a clone/scripts'/")
        assert "kc/results/" in command
        assert not re.search(r"(?<!kc/)\bresults\b", command.replace("--results", "")), command


def test_a_module_takes_a_source_from_where_it_is_named(outer: Path) -> None:
    shutil.copy(ROOT / "results/published/measurements.parquet", outer / "theirs.parquet")
    output = snakemake(
        outer, "--dry-run", "--cores", "1", "--config", "source=theirs.parquet", "--", "kc_figures"
    )
    assert jobs_in(output)["kc_collect_sources"] == 1


def test_a_module_from_github_is_refused(outer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would have the rules, and not the scripts that they run. Snakemake finds a clone, and needs no network."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(outer / "cache"))
    cache = outer / "cache/snakemake/snakemake/source-cache/snakemake-git-cache"
    with git.Repo.init(outer / "a clone") as repository:
        repository.git.add(all=True)
        repository.index.commit("everything")
        repository.create_tag("v1")
        repository.clone(str(cache / "github.com/some/study"), bare=True).close()
    address = 'github("some/study", path="Snakefile", tag="v1")'
    (outer / "Snakefile").write_text(SNAKEFILE.replace('"a clone/Snakefile"', address))
    output = snakemake(outer, "--dry-run", "--cores", "1", "--", "mine", ok=False)
    assert "clone its repository, and give the path of its Snakefile" in output


@pytest.mark.slow
def test_a_module_trains_and_measures_and_may_be_moved(outer: Path) -> None:
    snakemake(outer, "--cores", "2")
    table = pq.read_table(outer / "mine.parquet").to_pandas()
    assert set(table.kind) == {"bioS", "bioG"}
    assert len(table) == 8
    assert not (outer / "results").exists()
    moved = outer.rename(outer.with_name("elsewhere"))
    assert planned(moved) == {}
