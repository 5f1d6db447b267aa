"""Studies other than the smoke study: all of them plan, and those of every kind of data and model run."""

import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from helpers.run_workflow import ROOT, copy_tree, jobs_in, planned, snakemake

LIBRARY = "scripts/knowledge_capacity"
STUDIES = [path.stem for path in sorted((ROOT / "studies").glob("*.yaml"))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone where nothing is ever run."""
    return copy_tree(tmp_path_factory.mktemp("planned") / "clone")


@pytest.mark.parametrize("study", [None, *(pytest.param(name, marks=pytest.mark.slow) for name in STUDIES)])
def test_every_study_plans(folder: Path, study: str | None) -> None:
    arguments = ("--configfile", f"studies/{study}.yaml") if study else ()
    output = snakemake(folder, "--dry-run", "--printshellcmds", "--cores", "1", *arguments)
    jobs = jobs_in(output)
    assert jobs["train"] == jobs["measure"] > 0
    experiments = yaml.safe_load((folder / "config.yaml").read_text())["experiments"]
    if study:
        experiments |= yaml.safe_load((folder / f"studies/{study}.yaml").read_text())["experiments"]
    only = yaml.safe_load((folder / f"studies/{study}.yaml").read_text()).get("only") if study else None
    assert jobs["draw"] == 1
    wanted = only or [name for name in experiments if experiments[name]]
    (command,) = re.findall(r"scripts/draw\.py --experiments (.*?) --measurements", output)
    assert set(re.findall(r"(\w+)=[0-9a-f]+", command)) == set(wanted)


@pytest.mark.slow
def test_every_kind_of_dataset_goes_through(tmp_path: Path) -> None:
    folder = copy_tree(tmp_path / "kinds")
    kinds = ("--configfile", "studies/kinds.yaml")
    output = snakemake(folder, "--cores", "2", *kinds, "--", "all", "data_cards")
    assert "random-20-L8-T16: 554 bits; 1 run of about 3.6K tokens in all" in output
    rows = pq.read_table(folder / "results/measurements.parquet").to_pandas()
    assert sorted(rows.kind) == ["bioG", "bioS", "bioS", "bioS", "bioS_simple", "random"]
    assert sorted(zip(rows.junk_share, rows.domain_token, strict=True)) == [
        *[(0.0, "none")] * 4,
        (0.5, "junk"),
        (0.5, "useful"),
    ]
    assert (rows.bits_learned <= rows.bits_max).all()
    plain, *junk = (
        rows[(rows.kind == "bioS") & (rows.junk_share == share)].train_tokens for share in (0, 0.5)
    )
    assert all(tokens == pytest.approx(2 * plain.item(), rel=0.05) for tokens in junk[0])
    assert planned(folder, *kinds) == {}
    # another grammar tells other texts, of which nothing but their own run knows
    grammar = folder / LIBRARY / "data/prose.py"
    grammar.write_text(grammar.read_text() + "\n\nCHANGED = True\n")
    again = planned(folder, *kinds)
    assert again["rewrites"] == again["encode"] == again["train"] == again["measure"] == 1


@pytest.mark.slow
def test_models_of_any_kind_go_through_and_a_run_that_diverges_ends_alone(tmp_path: Path) -> None:
    folder = copy_tree(tmp_path / "architectures")
    (folder / "theirs.py").write_text(MINE)
    overlay = yaml.safe_load((folder / "studies/architectures.yaml").read_text())
    # beside what the overlay has: a function of the user's, and learning rates of which one is far too high
    overlay["architectures"]["mine"] = {"kind": "python", "function": "theirs.py:build"}
    overlay["recipes"]["wild"] = {**overlay["recipes"]["short"], "lr": 1e9, "other_lrs": [1e-3, 2e-2]}
    first = overlay["experiments"]["base_law"]["grids"][0]
    first["architectures"] = ["gpt2", "moe", "llama-standard-mlp", "qwen3"]  # the smoke study has the others
    overlay["experiments"]["base_law"]["grids"] += [
        {"datasets": ["bioS-smoke"], "architectures": ["mine"], "recipes": ["short"]},
        {"datasets": ["bioS-smoke"], "architectures": ["gpt2"], "recipes": ["wild"]},
    ]
    (folder / "studies/architectures.yaml").write_text(yaml.safe_dump(overlay))
    study = ("--configfile", "studies/architectures.yaml")
    output = snakemake(folder, "--cores", "2", *study)

    table = pq.read_table(folder / "results/measurements.parquet").to_pandas()
    diverged = table[table.diverged.notna()]
    assert list(diverged.lr) == [1e9]
    assert diverged.bits_learned.isna().all()
    assert "has no result: " in output
    rows = table[table.diverged.isna()]
    assert set(rows.family) == {"gpt2", "gpt2-moe", "llama-standard-mlp", "Qwen3", "theirs"}
    assert len(rows) == 2 * (4 + 1 + 1 + 2)
    assert (rows.bits_learned <= rows.bits_max).all()
    assert set(rows.variant) == {"fp32", "int8-rtn"}
    assert rows[rows.family == "gpt2-moe"].routing_dropped.between(0, 1).all()
    # the best learning rate was chosen among all that were tried
    wild = table[(table.recipe_spec.map(json.loads).map(lambda r: r["lr"]).isin([1e9, 1e-3, 2e-2]))]
    assert all(list(tried) == [1e-3, 1e-2, 2e-2, 1e9] for tried in wild.lr_tried)
    assert not table[table.lr == 1e9].lr_best.any()
    assert planned(folder, *study) == {}

    # another function of the user's is another model; nothing else runs again
    (folder / "theirs.py").write_text(MINE.replace("0.5", "0.25"))
    again = planned(folder, *study)
    assert (again["train"], again["measure"]) == (1, 1)


@pytest.mark.slow
def test_weights_on_the_way_go_through_to_their_figure(tmp_path: Path) -> None:
    folder = copy_tree(tmp_path / "forgetting")
    overlay = yaml.safe_load((folder / "studies/forgetting.yaml").read_text())
    kept = {**overlay["recipes"]["then-few"], "exposures": 200, "afterwards": {"people": 9, "exposures": 11}}
    people = yaml.safe_load((folder / "studies/smoke.yaml").read_text())["datasets"]["bioS-smoke"]
    grid = {"datasets": ["few"], "families": ["gpt2"], "sizes": ["2-1-d16"], "recipes": ["kept", "plain"]}
    plain = {**kept, "snapshots": False, "afterwards": None}
    shown = {"seeds": [0, 1], "variants": ["fp32", "int4"], "grids": [grid]}
    overlay |= {"datasets": {"few": people}, "recipes": {"kept": kept, "plain": plain}}
    overlay["only"] = ["forgetting", "quantization"]
    overlay["experiments"] = {"forgetting": shown, "quantization": shown}
    (folder / "studies/forgetting.yaml").write_text(yaml.safe_dump(overlay))
    study = ("--configfile", "studies/forgetting.yaml")
    snakemake(folder, "--cores", "2", *study)

    rows = pq.read_table(folder / "results/measurements.parquet").to_pandas()
    whole = [f"after-{n}" for n in (1, 2, 5, 10, 20, 50, 100)] + [f"others-{n}" for n in (0, 1, 2, 5, 10)]
    kept_rows, plain_rows = (rows[rows.recipe.str.contains("snapshots") == one] for one in (True, False))
    assert set(kept_rows.variant) == {"fp32", "int4-rtn", *whole}
    assert set(plain_rows.variant) == {"fp32", "int4-rtn"}
    assert all("forgetting" in names for names in rows.experiments)
    table = (folder / "results/figures/forgetting.md").read_text()
    assert "left with 9 others, rate 0.002" in table
    assert "others-" not in (folder / "results/figures/quantization.md").read_text()
    assert planned(folder, *study) == {}
    # no further runs: the others begin when the plain recipe is over
    assert sorted(path.name for path in (folder / "results/runs").glob("*/*/*")) == sorted(set(rows.recipe))
    # plain runs have no file of them, and the explorer shows all
    assert len(list((folder / "results/runs").rglob("snapshots.safetensors"))) == 2
    assert "others-10" in (folder / "results/explorer.html").read_text()


MINE = """
import torch
from torch import nn


class Mixer(nn.Module):
    def __init__(self, vocabulary, width):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.mix = nn.Linear(2 * width, width)
        nn.init.normal_(self.embedding.weight, std=0.02)

    def forward(self, tokens):
        x = self.embedding(tokens)
        before = torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], dim=1)
        x = x + 0.5 * torch.relu(self.mix(torch.cat([x, before], dim=-1)))
        return x @ self.embedding.weight.t()


def build(vocabulary, window, width=8):
    return Mixer(vocabulary, width)
"""
