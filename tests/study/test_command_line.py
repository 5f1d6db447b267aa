"""Overlays that Snakemake would drop without a word."""

from pathlib import Path

import pytest
from helpers.run_workflow import ROOT, copy_tree, snakemake
from knowledge_capacity.config import ConfigError
from knowledge_capacity.study.command_line import describe_files, refuse_dropped_overlays


@pytest.mark.parametrize(
    "arguments",
    [
        ["--configfile", "a.yaml", "--configfile", "b.yaml"],
        ["--configfile=a.yaml", "--configfile=b.yaml", "-n"],
        ["--configfiles", "a.yaml", "--cores", "1", "--configfile", "a.yaml", "b.yaml"],
    ],
)
def test_a_second_option_is_refused_with_all_files(arguments: list[str]) -> None:
    with pytest.raises(
        ConfigError, match=r"given 2 times.*Name all files after one: --configfile a\.yaml b\.yaml$"
    ):
        refuse_dropped_overlays(["snakemake", *arguments])


@pytest.mark.parametrize(
    "arguments", [[], ["--configfile", "a.yaml", "b.yaml"], ["--config", "--configfile", "a"]]
)
def test_one_option_is_none_too_many(arguments: list[str]) -> None:
    refuse_dropped_overlays(["snakemake", *arguments])


def test_snakemake_plans_nothing_of_half_a_study(tmp_path: Path) -> None:
    folder = copy_tree(tmp_path / "clone")
    (folder / "only.yaml").write_text("only: [base_law]\n")
    smoke = str(ROOT / "studies" / "smoke.yaml")
    options = ("--dry-run", "--cores", "1", "--configfile", smoke, "--configfile", "only.yaml")
    said = snakemake(folder, *options, ok=False)
    assert (
        f"the study would be config.yaml with only.yaml. Name all files after one: --configfile {smoke} only"
        in said
    )


@pytest.mark.parametrize(
    ("own", "overlays", "values", "line"),
    [
        (["config.yaml"], [], {}, "This study is config.yaml."),
        (
            ["config.yaml"],
            ["smoke.yaml", "only.yaml"],
            {"seeds": 8},
            "This study is config.yaml, and over it smoke.yaml, then only.yaml, then seeds=8 of --config.",
        ),
        ([], ["config.yaml", "mine.yaml"], {}, "This study is config.yaml, and over it mine.yaml."),
        (["a/config.yaml", "mine.yaml"], [], {}, "This study is a/config.yaml, and over it mine.yaml."),
    ],
)
def test_a_line_names_the_files_of_a_study(
    own: list[str], overlays: list[str], values: dict[str, object], line: str
) -> None:
    assert describe_files(own, overlays, values) == line
