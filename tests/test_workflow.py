"""The workflow itself: the smoke study end to end, and what a change makes run again."""

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from helpers.run_workflow import SMOKE, TREE, copy_tree, make, planned, snakemake
from knowledge_capacity import layout

pytestmark = pytest.mark.slow


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
TABLE = "results/measurements.parquet"
KINDS = {"bioS", "bioS_simple", "bioG", "bioD", "random"}
RUNS, CELLS, FIGURES = 27, 25, 21
PAGES = {"draw": 1, "explorer": 1}  # what follows from the table of measurements
MEASURED = {"collect_study": 1, **PAGES}  # and from new measurements


def test_the_smoke_study_runs_from_people_to_figures(finished: tuple[Path, str]) -> None:
    folder, output = finished
    rows = pq.read_table(folder / TABLE).to_pandas()
    assert rows.run.nunique() == RUNS
    assert set(rows.kind) == KINDS
    assert (rows.bits_learned <= rows.bits_max).all()
    answers = rows.accuracy_by_attribute.notna()
    assert (rows[~answers].people_scored == 20).all()
    assert (rows[answers].people_scored == 10).all()
    budget = json.loads((folder / "results/error_budget.json").read_text())
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
    at_scale = ("reproduced", "not reproduced")  # so small a study knows nothing of the paper's
    assert not any(line["verdict"] in at_scale for line in scorecard)
    assert "base_law" in (folder / "results/explorer.html").read_text()
    assert "done in" in output  # jobs say what they did
    assert "tokens/s" in output


def test_make_study_ends_in_what_was_found_and_where_it_is(finished: tuple[Path, str]) -> None:
    folder, _ = finished
    said = make(folder, "study", "STUDY=smoke", "CORES=1")
    files = said.strip().splitlines()[-1]
    lines = json.loads((folder / "results/scorecard.json").read_text())
    measured = [line for line in lines if line["verdict"] != "not measured"]
    assert f"\n{len(measured)} claims measured. What was found:\n" in said
    words = " ".join(said.split())
    assert all(line["found"] in words for line in measured)
    assert (
        f"{len(lines) - len(measured)} further claims: make study STUDY=small measures most of them" in said
    )
    for file in ("results/scorecard.html", "results/explorer.html", "results/figures/"):
        assert file in files
        assert (folder / file).exists()
    assert "results/explorer.html" not in make(folder, "plan", "STUDY=smoke").splitlines()[-1]


def test_neither_touching_every_file_nor_prose_runs_anything(
    finished: tuple[Path, str], edited: Callable[[str, str, str], Path]
) -> None:
    folder, _ = finished
    for name in TREE:
        for path in [folder / name, *(folder / name).rglob("*")]:
            path.touch()
    for file, old, new in (
        ("training/loop.py", '"""Training one run', '"""How one run is trained'),
        ("training/course.py", "LOG_POINTS = 200", "# how often\nLOG_POINTS = (\n    200\n)"),
        ("data/stream.py", '        """The tokens of', '        """All the tokens of'),
        ("quantization/rtn.py", '"""Round to nearest', '"""Rounding to nearest'),
    ):
        edited(f"{LIBRARY}/{file}", old, new)
    assert planned(folder, *SMOKE) == {}


def test_words_about_a_bad_configuration_make_one_page_anew(edited: Callable[[str, str, str], Path]) -> None:
    folder = edited(f"{LIBRARY}/study/checks.py", "there is no experiment", "no experiment is given")
    assert planned(folder, *SMOKE) == {"explorer": 1}  # which can tell how far a study is, and so reads them


def drawn_by(folder: Path, python: str | None = None) -> set[str]:
    """Run the study, and give the figures whose files are others than before, which each were written anew."""
    files = [file for file in (folder / "results/figures").iterdir() if file.name != "drawn.json"]
    before = {file: file.stat().st_ino for file in files}
    snakemake(folder, "--cores", "1", *SMOKE, python=python)
    after = {
        file: file.stat().st_ino
        for file in (folder / "results/figures").iterdir()
        if file.name != "drawn.json"
    }
    return {file.stem for file in after if after[file] != before.get(file)}


def test_a_figure_module_edited_draws_that_figure(edited: Callable[[str, str, str], Path]) -> None:
    folder = edited(f"{LIBRARY}/experiments/biod.py", "bioD, {} exposures", "bioD at {} exposures")
    assert planned(folder, *SMOKE) == PAGES  # its claims may have changed as well
    assert drawn_by(folder) == {"biod"}
    edited(f"{LIBRARY}/experiments/biod.py", "bioD at {} exposures", "bioD, {} exposures")
    assert drawn_by(folder) == {"biod"}
    assert planned(folder, *SMOKE) == {}


def test_the_style_edited_draws_all_figures(edited: Callable[[str, str, str], Path]) -> None:
    folder = edited(f"{LIBRARY}/figures/style.py", "COLUMN = 3.4", "COLUMN = 3.5")
    assert planned(folder, *SMOKE) == {"error_budget": 1, **PAGES}


def test_a_quantizer_edited_trains_nothing(edited: Callable[[str, str, str], Path]) -> None:
    folder = edited(
        f"{LIBRARY}/quantization/rtn.py", "most = 2**quantizer.bits - 1", "most = 2**quantizer.bits"
    )
    jobs = planned(folder, *SMOKE)
    # runs of three cells have variants, by rounding and by gptq, which rounds too; and one is trained rounded
    assert jobs == {"train": 1, "quantize": 6, "measure": 3, **MEASURED}


def test_the_metric_edited_measures_again_and_trains_nothing(edited: Callable[[str, str, str], Path]) -> None:
    folder = edited(f"{LIBRARY}/statistics/bootstrap.py", "RESAMPLES = 1000", "RESAMPLES = 1001")
    assert planned(folder, *SMOKE) == {**MEASURED, "measure": CELLS, "extract": 1, "error_budget": 1}


def test_another_sample_of_people_is_measured_and_trains_nothing(
    edited: Callable[[str, str, str], Path],
) -> None:
    folder = edited("config.yaml", "scored_people: null", "scored_people: 10")
    assert planned(folder, *SMOKE) == {**MEASURED, "measure": CELLS, "error_budget": 1}
    edited("config.yaml", "scored_people: 10", "scored_people: 1000")  # there are 20
    assert planned(folder, *SMOKE) == {}


def test_a_seed_added_trains_one_run(edited: Callable[[str, str, str], Path]) -> None:
    folder = edited("studies/smoke.yaml", "  biod:\n    seeds: *seed", "  biod:\n    seeds: [0, 1]")
    assert planned(folder, *SMOKE) == {"people": 1, "train": 1, "measure": 1, **MEASURED}


def test_a_seed_added_to_one_experiment_leaves_other_runs_of_its_dataset_alone(
    edited: Callable[[str, str, str], Path],
) -> None:
    folder = edited(
        "studies/smoke.yaml", "  quantization:\n    seeds: *seed", "  quantization:\n    seeds: [0, 2]"
    )
    edited(
        "studies/smoke.yaml",
        "smoke-100-repetitive: {<<: *few,",
        "smoke-100-repetitive: {<<: *few, weight_decay: 0.01,",
    )
    jobs = planned(folder, *SMOKE)  # of two cells with a seed more, and of one whose recipe is another
    assert (jobs["people"], jobs["train"], jobs["measure"]) == (1, 3, 3)


def test_how_a_job_is_run_trains_nothing(finished: tuple[Path, str]) -> None:
    folder, _ = finished
    ways = ("train:processes=2", "train:stack=2", "train:runtime=60", "measure:gpu_slots=2")
    assert planned(folder, *SMOKE, "--set-resources", *ways, "--set-threads", "train=2") == {}


@pytest.fixture
def copy(finished: tuple[Path, str], tmp_path: Path) -> Path:
    """A copy of the finished study, to be worked on."""
    return Path(shutil.copytree(finished[0], tmp_path / "a copy", symlinks=True))


def two_seeds(folder: Path) -> tuple[Path, Path]:
    """The folders of the runs of a cell that has two."""
    (run,) = folder.glob("results/runs/bioS-*/gpt2-2-1-d8/exposures100-lr*-warmup20/seed1")
    return run.with_name("seed0"), run


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


def test_a_seed_added_trains_quantises_and_measures_that_run_alone(copy: Path) -> None:
    study = copy / "studies/smoke.yaml"
    text = study.read_text()
    for old in ("  biod:\n    seeds: *seed", "  quantization:\n    seeds: *seed"):
        assert old in text
        text = text.replace(old, old.replace("*seed", "[0, 1]"))
    study.write_text(text)
    assert planned(copy, *SMOKE) == {
        "people": 1,
        "train": 1,  # of biod
        "quantize": 2,  # of the other's two cells
        "measure": 3,
        **MEASURED,
    }
    runs = [path.parent for path in copy.glob("results/runs/*/*/*/*/run.json")]
    before = {run: contents(run) for run in runs}
    drawn = {file: file.stat().st_ino for file in copy.glob("results/data/*/*/people.parquet")}
    snakemake(copy, "--cores", "2", *SMOKE, "--", TABLE)
    (people,) = set(copy.glob("results/data/*/*/people.parquet")) - drawn.keys()
    assert people.match("bioD-*/seed1/people.parquet")
    assert drawn == {file: file.stat().st_ino for file in drawn}  # none was written anew
    new = [path.parent for path in copy.glob("results/runs/*/*/*/*/run.json") if path.parent not in runs]
    assert len(new) == 1
    after = {run: contents(run) for run in runs}
    quantised = [run for run in runs if after[run].keys() != before[run].keys()]
    assert len(quantised) == 2
    for run in runs:
        changed = {path.name for path, content in before[run].items() if after[run][path] != content}
        assert changed == ({"measurements.parquet"} if run in quantised else set()), run
    assert planned(copy, *SMOKE) == PAGES


def test_a_model_deleted_trains_that_run_alone(copy: Path) -> None:
    kept, other = two_seeds(copy)
    before, model = contents(kept), (other / "model.safetensors").read_bytes()
    trained_at = json.loads((other / "run.json").read_text())["trained_at"]
    (other / "model.safetensors").unlink()
    target = str((other / "model.safetensors").relative_to(copy))
    snakemake(copy, "--cores", "2", *SMOKE, "--", target, TABLE)
    assert contents(kept) == before
    assert (other / "model.safetensors").read_bytes() == model
    assert json.loads((other / "run.json").read_text())["trained_at"] != trained_at


def test_a_run_that_fails_costs_no_other_run_of_its_cell(copy: Path) -> None:
    """Snakemake takes away what the failed job made; the next one need not train it again."""
    first, second = two_seeds(copy)
    (people,) = copy.glob("results/data/bioS-*/seed1/people.parquet")
    whole = people.read_bytes()
    for run in (first, second):
        (run / "model.safetensors").unlink()
    people.write_bytes(whole[:100])
    target = str((first / "model.safetensors").relative_to(copy))
    output = snakemake(copy, "--cores", "1", *SMOKE, "--", target, ok=False)
    assert f"train: {second.relative_to(copy / 'results/runs')}: " in output
    assert not (first / "model.safetensors").exists()
    record = (first / layout.FINISHED / "run.json").read_bytes()
    people.write_bytes(whole)
    snakemake(copy, "--cores", "1", *SMOKE, "--", target)
    assert (first / "run.json").read_bytes() == record
    assert (second / "model.safetensors").exists()
    assert not (first / layout.FINISHED).exists()


def test_the_weight_decay_of_a_recipe_changed_trains_its_runs(
    edited: Callable[[str, str, str], Path],
) -> None:
    folder = edited(
        "studies/smoke.yaml",
        "smoke-100-repetitive: {<<: *few,",
        "smoke-100-repetitive: {<<: *few, weight_decay: 0.01,",
    )
    assert planned(folder, *SMOKE) == {"train": 1, "measure": 1, **MEASURED}


def test_training_code_edited_trains_everything(edited: Callable[[str, str, str], Path]) -> None:
    folder = edited(f"{LIBRARY}/training/schedule.py", "floor: float = 0.1", "floor: float = 0.2")
    jobs = planned(folder, *SMOKE)
    assert jobs["train"] == CELLS
    assert "people" not in jobs


def test_a_figure_deleted_is_drawn_again(finished: tuple[Path, str]) -> None:
    folder, _ = finished
    file = folder / "results/figures/biod.svg"
    before = file.read_bytes()
    file.unlink()
    assert planned(folder, *SMOKE) == PAGES  # the explorer links to figures
    # a figure is a function of the measurements alone, and not of how one python orders its sets
    assert drawn_by(folder, python=sys.executable) == {"biod"}
    assert file.read_bytes() == before


def test_a_card_for_each_dataset_and_only_on_request(finished: tuple[Path, str]) -> None:
    folder, _ = finished
    assert not list(folder.glob("results/data/*/card.*"))
    snakemake(folder, "--cores", "2", *SMOKE, "--", "data_cards")
    pages = {path.parent.name: path for path in folder.glob("results/data/*/card.html")}
    assert len(pages) == len(list(folder.glob("results/data/*")))
    cards = {slug: json.loads(path.with_suffix(".json").read_text()) for slug, path in pages.items()}
    assert {made["spec"]["kind"] for made in cards.values()} == KINDS
    for slug, made in cards.items():
        assert made["slug"] == slug
        assert slug in pages[slug].read_text(encoding="utf-8")
    assert planned(folder, *SMOKE, "--", "all", "data_cards") == {}


def test_a_failed_job_names_its_log_and_leaves_the_others(finished: tuple[Path, str], tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(finished[0], folder, symlinks=True)
    people = next(folder.glob("results/data/bioD*/seed0/people.parquet"))
    people.write_bytes(people.read_bytes()[:100])
    other = next(folder.glob("results/runs/bioS*/*/*/seed1/measurements.parquet"))
    other.unlink()
    output = snakemake(folder, "--cores", "1", *SMOKE, "--", TABLE, ok=False)
    assert "not a readable Parquet file" in output
    assert "Delete it and make it again: snakemake --cores 1 results/data/bioD" in output
    assert "results/logs/train/bioD" in output
    assert other.exists()  # the other branch of the study went on
    people.unlink()
    snakemake(folder, "--cores", "2", *SMOKE, "--", TABLE)  # the advice is right
    assert planned(folder, *SMOKE) == PAGES  # all but what follows from the table


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
    snakemake(folder, "--cores", "1", *SMOKE, "studies/theirs.yaml", "--", TABLE)
    rows = pq.read_table(folder / TABLE).to_pandas().set_index("family")
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
