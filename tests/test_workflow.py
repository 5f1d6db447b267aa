"""The workflow itself: the smoke study end to end, and what a change makes run again."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from workflow import ROOT, SMOKE, TREE, copy_tree, planned, snakemake


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A copy of the project (in a path with a space) where the smoke study has run, and what it printed."""
    folder = copy_tree(tmp_path_factory.mktemp("smoke") / "a study")
    return folder, snakemake(folder, "--cores", "2", *SMOKE)


@pytest.fixture
def edited(finished: tuple[Path, str]) -> Iterator[Callable[[str, str, str], Path]]:
    """A function that replaces text in a file of the finished study; undone after the test."""
    folder, _ = finished
    originals: dict[Path, str] = {}

    def edit(file: str, old: str, new: str) -> Path:
        path = folder / file
        text = path.read_text()
        originals.setdefault(path, text)
        assert old in text, f"{file} no longer holds {old!r}; the test must follow"
        path.write_text(text.replace(old, new))
        return folder

    yield edit
    for path, text in originals.items():
        path.write_text(text)


LIBRARY = "scripts/knowledge_capacity"
RUNS, FIGURES = 27, 21
PAGES = {"scorecard": 1, "explorer": 1}
MEASURED = {"collect_study": 1, "figure": FIGURES, **PAGES}  # what follows from new measurements


def test_the_smoke_study_runs_from_people_to_figures(finished: tuple[Path, str]) -> None:
    folder, output = finished
    rows = pq.read_table(folder / "results/measurements.parquet").to_pandas()
    assert rows.run.nunique() == RUNS
    assert set(rows.kind) == {"bioS", "bioS_simple", "bioG", "bioD", "random"}
    assert (rows.bits_learned <= rows.bits_max).all()
    answers = rows.accuracy_by_attribute.notna()
    assert (rows[~answers].people_scored == 20).all()
    assert (rows[answers].people_scored == 10).all()
    budget = json.loads((folder / "results/conventions.json").read_text())
    example = rows[(rows.run == budget["run"]) & (rows.variant == "fp32")]
    assert budget["conventions"][0]["ratio"] == pytest.approx(example.capacity_ratio.item(), rel=1e-6)
    wanted = set(yaml.safe_load((folder / "studies/smoke.yaml").read_text())["experiments"])
    assert len(wanted) == FIGURES
    assert {name for names in rows.experiments for name in names} == wanted
    for experiment in wanted:
        for ending in ("pdf", "svg", "png", "md", "html"):
            assert (folder / f"results/figures/{experiment}.{ending}").stat().st_size > 0
    scorecard = json.loads((folder / "results/scorecard.json").read_text())
    assert {line["result"] for line in scorecard} >= set(range(1, 13))
    assert all(
        line["verdict"] == "undecided" for line in scorecard
    )  # at this scale, nothing else can be said
    assert "base_law" in (folder / "results/explorer.html").read_text()
    assert "done in" in output  # jobs say what they did
    assert "tokens/s" in output


def test_nothing_changed_nothing_runs(finished: tuple[Path, str]) -> None:
    assert planned(finished[0], *SMOKE) == {}


def test_touching_every_file_runs_nothing(finished: tuple[Path, str]) -> None:
    folder, _ = finished
    for name in TREE:
        for path in [folder / name, *(folder / name).rglob("*")]:
            path.touch()
    assert planned(folder, *SMOKE) == {}


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        (f"{LIBRARY}/training/loop.py", '"""Training one run', '"""How one run is trained'),
        (f"{LIBRARY}/training/loop.py", "LOG_POINTS = 200", "# how often\nLOG_POINTS = (\n    200\n)"),
        (f"{LIBRARY}/data/stream.py", '        """The tokens of', '        """All the tokens of'),
        (f"{LIBRARY}/quantization/rtn.py", '"""Round to nearest', '"""Rounding to nearest'),
    ],
)
def test_prose_never_runs_anything(
    edited: Callable[[str, str, str], Path], file: str, old: str, new: str
) -> None:
    assert planned(edited(file, old, new), *SMOKE) == {}


def test_words_about_a_bad_configuration_make_one_page_anew(edited: Callable[[str, str, str], Path]) -> None:
    folder = edited(f"{LIBRARY}/problems.py", "there is no experiment", "no experiment is given")
    assert planned(folder, *SMOKE) == {"explorer": 1}  # which can tell how far a study is, and so reads them


def test_a_figure_module_edited_draws_that_figure(edited: Callable[[str, str, str], Path]) -> None:
    folder = edited(f"{LIBRARY}/experiments/biod.py", "bioD, {} exposures", "bioD at {} exposures")
    assert planned(folder, *SMOKE) == {"figure": 1, **PAGES}  # its claims may have changed as well


def test_the_style_edited_draws_all_figures(edited: Callable[[str, str, str], Path]) -> None:
    folder = edited(f"{LIBRARY}/experiments/style.py", "COLUMN = 3.4", "COLUMN = 3.5")
    assert planned(folder, *SMOKE) == {"figure": FIGURES, "conventions": 1, **PAGES}


def test_a_quantizer_edited_trains_nothing(edited: Callable[[str, str, str], Path]) -> None:
    folder = edited(
        f"{LIBRARY}/quantization/rtn.py", "most = 2**quantizer.bits - 1", "most = 2**quantizer.bits"
    )
    jobs = planned(folder, *SMOKE)
    # three runs have variants, by rounding and by gptq, which rounds too; and one is trained rounded
    assert jobs == {"train": 1, "quantize": 6, "capacity": 3, **MEASURED}


def test_the_metric_edited_measures_again_and_trains_nothing(edited: Callable[[str, str, str], Path]) -> None:
    folder = edited(f"{LIBRARY}/capacity/intervals.py", "RESAMPLES = 1000", "RESAMPLES = 1001")
    assert planned(folder, *SMOKE) == {**MEASURED, "capacity": RUNS, "extract": 1, "conventions": 1}


def test_another_sample_of_people_is_measured_and_trains_nothing(
    edited: Callable[[str, str, str], Path],
) -> None:
    folder = edited("config.yaml", "scored_people: null", "scored_people: 10")
    assert planned(folder, *SMOKE) == {**MEASURED, "capacity": RUNS, "conventions": 1}
    edited("config.yaml", "scored_people: 10", "scored_people: 1000")  # there are 20
    assert planned(folder, *SMOKE) == {}


def test_a_seed_added_trains_one_run(edited: Callable[[str, str, str], Path]) -> None:
    folder = edited("studies/smoke.yaml", "  biod:\n    seeds: *seed", "  biod:\n    seeds: [0, 1]")
    assert planned(folder, *SMOKE) == {"people": 1, "train": 1, "capacity": 1, **MEASURED}


def test_the_weight_decay_of_a_recipe_changed_trains_its_runs(
    edited: Callable[[str, str, str], Path],
) -> None:
    folder = edited(
        "studies/smoke.yaml",
        "smoke-100-repetitive: {<<: *few,",
        "smoke-100-repetitive: {<<: *few, weight_decay: 0.01,",
    )
    assert planned(folder, *SMOKE) == {"train": 1, "capacity": 1, **MEASURED}


def test_training_code_edited_trains_everything(edited: Callable[[str, str, str], Path]) -> None:
    folder = edited(f"{LIBRARY}/training/schedule.py", "FLOOR = 0.1", "FLOOR = 0.2")
    jobs = planned(folder, *SMOKE)
    assert jobs["train"] == RUNS
    assert "people" not in jobs


def test_a_figure_deleted_is_drawn_again(finished: tuple[Path, str]) -> None:
    folder, _ = finished
    file = folder / "results/figures/biod.svg"
    before = file.read_bytes()
    file.unlink()
    assert planned(folder, *SMOKE) == {"figure": 1}
    snakemake(folder, "--cores", "1", *SMOKE)
    assert file.read_bytes() == before  # a figure is a function of the measurements alone


def test_a_failed_job_names_its_log_and_leaves_the_others(finished: tuple[Path, str], tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(finished[0], folder, symlinks=True)
    people = next(folder.glob("results/data/bioD*/seed0/people.parquet"))
    people.write_bytes(people.read_bytes()[:100])
    figure = folder / "results/figures/base_law.png"
    other = next(folder.glob("results/runs/bioS*/*/*/seed1/measurements.parquet"))
    other.unlink()
    output = snakemake(folder, "--cores", "1", *SMOKE, ok=False)
    assert "not a readable Parquet file" in output
    assert "Delete it and make it again: snakemake --cores 1 results/data/bioD" in output
    assert "results/logs/train/bioD" in output
    assert other.exists()  # the other branch of the study went on
    people.unlink()
    snakemake(folder, "--cores", "2", *SMOKE)  # the advice is right
    assert figure.exists()
    assert planned(folder, *SMOKE) == {}


@pytest.mark.parametrize("study", [None, *sorted(path.stem for path in (ROOT / "studies").glob("*.yaml"))])
def test_every_study_plans(tmp_path: Path, study: str | None) -> None:
    folder = copy_tree(tmp_path / "clone")
    arguments = ("--configfile", f"studies/{study}.yaml") if study else ()
    jobs = planned(folder, *arguments)
    assert jobs["train"] == jobs["capacity"] > 0
    experiments = yaml.safe_load((folder / "config.yaml").read_text())["experiments"]
    if study:
        experiments |= yaml.safe_load((folder / f"studies/{study}.yaml").read_text())["experiments"]
    only = yaml.safe_load((folder / f"studies/{study}.yaml").read_text()).get("only") if study else None
    assert jobs["figure"] == len(only or [name for name in experiments if experiments[name]])


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
    assert again["rewrites"] == again["encode"] == again["train"] == again["capacity"] == 1


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
    assert (again["train"], again["capacity"]) == (1, 1)


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


def test_a_checkpoint_from_elsewhere_is_measured_without_training(
    finished: tuple[Path, str], tmp_path: Path
) -> None:
    folder = tmp_path / "theirs"
    shutil.copytree(finished[0], folder, symlinks=True)
    source = next(folder.glob("results/runs/bioS*/gpt2-2-1-d8/exposures100-*-warmup20/seed0"))
    shutil.copytree(source, folder / "given")
    (folder / "studies/theirs.yaml").write_text("""
architectures: {given: {kind: checkpoint, folder: given}}
only: [base_law]
experiments:
  base_law:
    seeds: [0]
    grids: [{datasets: [bioS-smoke], architectures: [given, gpt2-2-1-d8], recipes: [smoke-100]}]
""")
    snakemake(folder, "--cores", "1", *SMOKE, "studies/theirs.yaml")
    rows = pq.read_table(folder / "results/measurements.parquet").to_pandas().set_index("family")
    given, ours = rows.loc["given"], rows.loc["gpt2"]
    for column in (
        "n_parameters",
        "used_tokens",
        "loss_name",
        "loss_value",
        "bits_learned",
        "capacity_ratio",
    ):
        assert given[column] == pytest.approx(ours[column], rel=1e-5), column
    assert given.train_tokens == given.train_steps == 0
    assert given.device == "none: a checkpoint from elsewhere"
