"""Progress: what real jobs left in a folder of results, and arithmetic on it that can be done by hand."""

import datetime
import itertools
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.run_workflow import TIMEOUT
from knowledge_capacity import layout
from knowledge_capacity.data import corpus, people, tokenizer
from knowledge_capacity.data.stream import Stream, make_source
from knowledge_capacity.models.build import build_model, n_parameters
from knowledge_capacity.report import curves, explorer, progress
from knowledge_capacity.report.progress import StudyState, TrainingProgress
from knowledge_capacity.specs import Architecture, BioS, Recipe, Run, cell_to_json, to_json
from knowledge_capacity.study.study import Study, list_experiments
from knowledge_capacity.training.loop import TrainingStopped, train

SCRIPTS = Path(__file__).parents[2] / "scripts"
POOLS = {"first_names": 4, "middle_names": 4, "last_names": 8, "cities": 4, "universities": 4, "majors": 4}
SHORT = {"exposures": 20, "lr": 2e-2, "batch_size": 2, "window": 64, "warmup_steps": 20}
CONFIG: dict[str, Any] = {
    "datasets": {"tiny": {"kind": "bioS", "n_people": 20, "templates": 1, "pools": POOLS}},
    "architectures": {
        "small": {"layers": 2, "heads": 1, "width": 8},
        "large": {"layers": 2, "heads": 1, "width": 16},
    },
    "recipes": {"short": SHORT, "wild": {**SHORT, "lr": 1e6, "warmup_steps": 0}},
    "quantizers": {},
    "experiments": {
        "base_law": {
            "seeds": [0, 1],
            "variants": ["fp32"],
            "grids": [
                {"datasets": ["tiny"], "architectures": ["small", "large"], "recipes": ["short"]},
                {"datasets": ["tiny"], "architectures": ["small"], "recipes": ["wild"]},
            ],
        }
    },
}


@pytest.fixture(scope="module")
def study() -> Study:
    return Study(CONFIG, [], list_experiments())


def run_of(study: Study, architecture: str, recipe: str, seed: int) -> Run:
    found = Run(
        study.config.datasets["tiny"],
        study.config.architectures[architecture],
        study.config.recipes[recipe].each()[0],
        seed,
    )
    assert found.slug in study.runs
    return study.runs[found.slug]


def script(name: str, results: Path, *runs: Run) -> subprocess.CompletedProcess[str]:
    """A job about runs of a cell, with the log file that rules give it."""
    log = results / "logs" / name / f"{runs[0].cell}.log"
    command = [sys.executable, str(SCRIPTS / f"{name}.py"), "--cell", cell_to_json(runs), "--device", "cpu"]
    command += ["--results", str(results), "--log", str(log)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=TIMEOUT)


@pytest.fixture(scope="module")
def results(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study under way: of six runs, one is measured, one is interrupted, one diverged, one failed."""
    folder = tmp_path_factory.mktemp("study") / "results"
    done, other = (run_of(study, "small", "short", seed) for seed in (0, 1))
    wild, begun = run_of(study, "small", "wild", 0), run_of(study, "large", "short", 0)
    data = folder / "data" / done.dataset.slug
    tokens = tokenizer.make_word_tokenizer(corpus.vocabulary_texts(done.dataset))
    tokenizer.write_tokenizer(data / "tokenizer", tokens)
    people.write_people(data / "seed0/people.parquet", done.dataset, 0)
    (data / "seed1").mkdir()
    (data / "seed1/people.parquet").write_text("damaged")
    for name, run in (("train", done), ("measure", done), ("train", wild)):
        job = script(name, folder, run)
        assert job.returncode == 0, job.stderr
    assert script("train", folder, done, other).returncode == 1

    steps = itertools.count(1)
    with pytest.raises(TrainingStopped):
        train(
            begun,
            Stream(make_source(begun.dataset, 0, people.draw_all_people(begun.dataset, 0)), tokens),
            vocabulary=tokens.get_vocab_size(),
            save_to=folder / "runs" / begun.slug / "checkpoint.safetensors",
            identity="",
            stop=lambda: next(steps) > 40,
        )
    return folder


@pytest.mark.slow
def test_what_jobs_left_is_counted(study: Study, results: Path) -> None:
    found = progress.compute_progress(study.runs, progress.read_state(study, results))
    assert (found.wanted, found.trained, found.measured, found.begun) == (6, 2, 1, 1)
    assert not found.done
    wild = run_of(study, "small", "wild", 0).slug
    assert list(found.diverged) == [wild]
    assert "loss" in found.diverged[wild]
    (failure,) = found.failures
    failed = run_of(study, "small", "short", 1)
    assert (failure.job, failure.of) == ("train", failed.cell)
    assert failure.message.startswith(f"{failed.slug}: {results / 'data'}")
    assert "\n" not in failure.message
    assert "Details" not in failure.message
    assert failure.log == str(results / "logs/train" / f"{failure.of}.log")
    page = explorer.render_page(explorer.Content(rows=[], made="now", progress=found))
    assert "1 of 6 runs are measured, 2 are trained, 1 have begun." in page
    assert "an estimate" in page
    assert failure.of in page


@pytest.mark.slow
def test_people_that_could_not_be_drawn_are_told(study: Study, tmp_path: Path) -> None:
    dataset = study.config.datasets["tiny"]
    files = [tmp_path / layout.people_file(dataset, seed) for seed in (0, 1)]
    (tmp_path / "full").write_text("")  # no folder: nothing can be written below it
    target, log = tmp_path / "full/seed0/people.parquet", tmp_path / f"logs/people/{dataset.slug}.log"
    command = [sys.executable, str(SCRIPTS / "people.py"), "--dataset", to_json(dataset), "--log", str(log)]
    assert subprocess.run([*command, "--output", str(target)], check=False, timeout=TIMEOUT).returncode == 1
    (failure,) = progress.read_state(study, tmp_path).failures
    assert (failure.job, failure.of, failure.log) == ("people", dataset.slug, str(log))
    subprocess.run([*command, "--output", *map(str, files)], check=True, timeout=TIMEOUT)
    for seed, file in enumerate(files):
        assert torch.equal(people.read_people(file, dataset, seed), people.draw_all_people(dataset, seed))
    assert progress.read_state(study, tmp_path).failures == []


@pytest.mark.slow
def test_the_page_is_made_again_until_all_is_measured(study: Study, results: Path, tmp_path: Path) -> None:
    page = tmp_path / "explorer.html"
    command = [sys.executable, str(SCRIPTS / "explorer.py"), "--results", str(results), "--output", str(page)]
    command += ["--measurements", str(tmp_path / "none.parquet"), "--watch", "0.1"]
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    watching = [*command, "--configfile", str(tmp_path / "config.json")]
    with subprocess.Popen(watching, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        assert all("explorer: 1 measurements" in process.stderr.readline() for _ in range(3))
        process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=TIMEOUT)  # which reads on: it may go on writing
        finally:
            process.kill()
        assert process.returncode == 0
    assert "1 of 6 runs are measured" in page.read_text(encoding="utf-8")

    grid = {"datasets": ["tiny"], "architectures": ["small"], "recipes": ["short"]}
    experiment = {"seeds": [0], "variants": ["fp32"], "grids": [grid]}
    less = tmp_path / "less.json"
    less.write_text(json.dumps({"experiments": {"base_law": experiment}}))
    subprocess.run([*watching, str(less)], check=True, timeout=TIMEOUT)
    assert "1 of 1 runs are measured, 1 are trained." in page.read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_job_that_was_started_again_has_not_failed(study: Study, results: Path, tmp_path: Path) -> None:
    copy = tmp_path / "results"
    shutil.copytree(results, copy)
    (failure,) = progress.read_state(study, copy).failures
    with open(failure.log, "a") as log:
        log.write("12:00:00 scripts/train.py --cell {}\n")
    assert progress.read_state(study, copy).failures == []


@pytest.mark.slow
def test_a_run_that_waits_for_the_others_of_its_job_counts_as_trained(
    study: Study, results: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "results"
    shutil.copytree(results, copy)
    folder = copy / layout.run_folder(run_of(study, "small", "short", 0))
    (folder / layout.FINISHED).mkdir()
    for name in layout.TRAINED:
        (folder / name).rename(folder / layout.FINISHED / name)
    assert progress.read_state(study, copy).trained == progress.read_state(study, results).trained


@pytest.mark.slow
def test_what_is_left_takes_the_time_that_the_same_took(study: Study, results: Path) -> None:
    state = progress.read_state(study, results)
    done, begun = run_of(study, "small", "short", 0), run_of(study, "large", "short", 0)
    seconds = {slug: work.seconds for slug, work in {**state.trained, **state.begun}.items()}
    left = progress.seconds_left(study.runs, state)
    assert left is not None
    assert (
        min(seconds.values()) < left * progress.training_pace(state) < 30 * max(seconds.values())
    )  # four runs
    header = curves.read_checkpoint(results / "runs" / begun.slug)
    assert header
    assert header["step"] == 41
    assert state.begun[begun.slug].share == pytest.approx(
        41 / state.trained[done.slug].tokens * 128, rel=0.05
    )


ENDED = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)
DATASET = BioS(n_people=100)
RECIPE = Recipe(exposures=10, lr=1e-3)


def some_runs(*widths: int) -> dict[str, Run]:
    runs = [Run(DATASET, Architecture(2, 1, width), RECIPE, seed) for seed, width in enumerate(widths)]
    return {run.slug: run for run in runs}


def work(seconds: float, end: float = 0.0, tokens: int = 1000) -> TrainingProgress:
    return TrainingProgress(tokens, seconds, 50, ENDED + datetime.timedelta(seconds=end))


def state_of(
    trained: dict[str, TrainingProgress], begun: dict[str, TrainingProgress] | None = None
) -> StudyState:
    return StudyState(trained, begun or {}, {}, frozenset(), [])


def test_estimates_by_hand() -> None:
    runs = some_runs(8, 8, 8, 16)
    a, b, c, large = runs
    tokens = progress._tokens(DATASET, RECIPE)
    one = state_of({a: work(100.0)})
    small, big = (progress.active_parameters(runs[slug].architecture, 50) for slug in (a, large))
    each = tokens * 100 / 1000
    assert progress.seconds_left(runs, one) == pytest.approx(each * (2 + big / small))
    half = state_of({a: work(100.0)}, {b: TrainingProgress(500, 50.0, share=0.5)})
    assert progress.seconds_left(runs, half) == pytest.approx(each * (1.5 + big / small))
    assert progress.seconds_left(runs, state_of({})) is None
    assert progress.seconds_left(runs, state_of(dict.fromkeys(runs, work(1.0)))) == 0
    both = state_of({a: work(100.0), large: work(700.0)})
    assert progress.seconds_left({s: runs[s] for s in (a, c, large)}, both) == pytest.approx(
        each / progress.training_pace(both)
    )


@pytest.mark.parametrize(
    ("spans", "pace"),
    [
        ([(100.0, 0.0)], 1),
        ([(100.0, 0.0), (100.0, 0.0)], 2),  # at the same time
        ([(100.0, 0.0), (100.0, 100.0)], 1),  # one after the other
        ([(100.0, 0.0), (100.0, 200.0)], 200 / 300),  # with other work between
        ([(100.0, 0.0), (100.0, 9999.0)], 1),  # the study was stopped between
        ([(100.0, 0.0), (10.0, -50.0)], 1.1),  # one within another
    ],
)
def test_how_fast_runs_share_the_clock(spans: list[tuple[float, float]], pace: float) -> None:
    state = state_of({str(i): work(seconds, end) for i, (seconds, end) in enumerate(spans)})
    assert progress.training_pace(state) == pytest.approx(pace)


@pytest.mark.parametrize("family", ["gpt2", "gpt2-no-mlp", "llama-tied", "llama-tied-standard-mlp"])
def test_parameters_are_about_those_of_the_model(family: Any) -> None:
    model = Architecture(layers=3, heads=2, width=64, family=family)
    exact = n_parameters(build_model(model, 200, 64, seed=0), 150)
    assert progress.active_parameters(model, 150) == pytest.approx(exact, rel=0.05)


@pytest.mark.slow
def test_curves_are_those_of_trained_runs_and_of_one_under_way(study: Study, results: Path) -> None:
    rows, drawn, there = curves.read_curves(curves.describe_curves([], study.runs), results / "runs")
    done, begun = run_of(study, "small", "short", 0).slug, run_of(study, "large", "short", 0).slug
    assert {done, begun} <= {row["run"] for row in rows}
    assert there == 3
    assert drawn >= 2  # the wild one may have had no finite loss
    for slug in (done, begun):
        points = [row for row in rows if row["run"] == slug]
        log = curves.read_training_log(results / "runs" / slug)
        assert 10 < len(points) <= curves.MOST_POINTS
        assert [points[0]["step"], points[-1]["step"]] == [log[0]["step"], log[-1]["step"]]
    json.dumps(rows, allow_nan=False)


@pytest.mark.slow
def test_of_too_many_runs_some_are_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, results: Path
) -> None:
    log = next(results.glob("runs/*/*/*/*/training.parquet"))
    for i in range(7):
        (tmp_path / f"run{i}").mkdir()
        shutil.copy(log, tmp_path / f"run{i}")
    monkeypatch.setattr(curves, "MOST_RUNS", 3)
    rows, drawn, there = curves.read_curves({f"run{i}": {"run": f"run{i}"} for i in range(8)}, tmp_path)
    assert (drawn, there) == (3, 7)
    assert {row["run"] for row in rows} == {"run0", "run2", "run4"}
