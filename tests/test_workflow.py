"""The workflow itself: the smoke study end to end, and what a change makes run again."""

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
        text = originals.setdefault(path, path.read_text())
        assert old in text, f"{file} no longer holds {old!r}; the test must follow"
        path.write_text(path.read_text().replace(old, new))
        return folder

    yield edit
    for path, text in originals.items():
        path.write_text(text)


LIBRARY = "scripts/knowledge_capacity"


def test_the_smoke_study_runs_from_people_to_figures(finished: tuple[Path, str]) -> None:
    folder, output = finished
    rows = pq.read_table(folder / "results/measurements.parquet").to_pandas()
    # bioS: 2 recipes × 2 seeds, one of them at three precisions; bioD: one run at three precisions
    assert len(rows) == 4 + 2 + 3
    assert set(rows.variant) == {"fp32", "int8-rtn", "int4-rtn"}
    assert (rows.bits_learned <= rows.bits_max).all()
    for experiment in ("base_law", "biod", "quantization"):
        for ending in ("pdf", "svg", "png", "md"):
            assert (folder / f"results/figures/{experiment}.{ending}").stat().st_size > 0
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
        (f"{LIBRARY}/study.py", "there is no experiment", "no experiment is given"),
    ],
)
def test_prose_never_runs_anything(
    edited: Callable[[str, str, str], Path], file: str, old: str, new: str
) -> None:
    assert planned(edited(file, old, new), *SMOKE) == {}


def test_a_figure_module_edited_draws_that_figure(edited: Callable[[str, str, str], Path]) -> None:
    folder = edited(f"{LIBRARY}/experiments/biod.py", "bioD, {} exposures", "bioD at {} exposures")
    assert planned(folder, *SMOKE) == {"figure": 1}


def test_the_style_edited_draws_all_figures(edited: Callable[[str, str, str], Path]) -> None:
    folder = edited(f"{LIBRARY}/experiments/style.py", "COLUMN = 3.4", "COLUMN = 3.5")
    assert planned(folder, *SMOKE) == {"figure": 3}


def test_a_quantizer_edited_trains_nothing(edited: Callable[[str, str, str], Path]) -> None:
    folder = edited(f"{LIBRARY}/quantization/rtn.py", "SCALE_BITS = 32", "SCALE_BITS = 16")
    jobs = planned(folder, *SMOKE)
    # bioS at both exposures has variants for one seed each (quantization), bioD for its only seed
    assert jobs == {"quantize": 2, "capacity": 2, "collect_dataset": 2, "collect_study": 1, "figure": 3}


def test_the_metric_edited_measures_again_and_trains_nothing(edited: Callable[[str, str, str], Path]) -> None:
    folder = edited(f"{LIBRARY}/capacity/intervals.py", "RESAMPLES = 1000", "RESAMPLES = 1001")
    assert planned(folder, *SMOKE) == {"capacity": 5, "collect_dataset": 2, "collect_study": 1, "figure": 3}


def test_a_seed_added_trains_one_run(edited: Callable[[str, str, str], Path]) -> None:
    folder = edited("studies/smoke.yaml", "  biod:\n    seeds: [0]", "  biod:\n    seeds: [0, 1]")
    assert planned(folder, *SMOKE) == {
        "people": 1,
        "train": 1,
        "quantize": 1,
        "capacity": 1,
        "collect_dataset": 1,
        "collect_study": 1,
        "figure": 3,
    }


def test_the_weight_decay_of_a_recipe_changed_trains_its_runs(
    edited: Callable[[str, str, str], Path],
) -> None:
    folder = edited(
        "studies/smoke.yaml",
        "lr: 2e-2, weight_decay: 0, batch_size: 2",
        "lr: 2e-2, weight_decay: 0.01, batch_size: 2",
    )
    jobs = planned(folder, *SMOKE)
    assert jobs == {"train": 2, "capacity": 2, "collect_dataset": 1, "collect_study": 1, "figure": 3}


def test_training_code_edited_trains_everything(edited: Callable[[str, str, str], Path]) -> None:
    folder = edited(f"{LIBRARY}/training/schedule.py", "FLOOR = 0.1", "FLOOR = 0.2")
    jobs = planned(folder, *SMOKE)
    assert jobs["train"] == 5
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
    next(folder.glob("results/measurements/bioS*.parquet")).unlink()
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
    assert jobs["figure"] == sum(experiment is not None for experiment in experiments.values())


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
