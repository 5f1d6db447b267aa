"""What runs ask of a scheduler, beside what they are known to take and to hold."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from helpers.run_workflow import TIMEOUT, copy_tree, snakemake
from knowledge_capacity.costs import cost
from knowledge_capacity.data import corpus, tokenizer
from knowledge_capacity.measurements.measurement_table import BUSY
from knowledge_capacity.planning import job_resources
from knowledge_capacity.specs import (
    Architecture,
    BioG,
    BioR,
    BioS,
    Checkpoint,
    Experts,
    PythonModel,
    RandomStrings,
    Recipe,
    Run,
    parse_run,
)
from knowledge_capacity.study.overlay_files import TextStatistics, count_parameters

PUBLISHED = Path(__file__).parents[2] / "results/published/measurements.parquet"
MODELS = [
    Architecture(2, 2, 128),
    Architecture(4, 1, 64, family="llama"),
    Architecture(8, 4, 256, family="mistral"),
    Architecture(2, 2, 128, family="gpt2-no-mlp"),
    Architecture(2, 2, 128, family="gpt2-moe"),
    Architecture(2, 2, 128, experts=Experts(number=8, top_k=2)),
]


def run(architecture: Architecture, n_people: int = 50_000, exposures: int = 1000) -> Run:
    return Run(BioS(n_people), architecture, Recipe(exposures, lr=1e-3, batch_size=48, window=512), 0)


def test_the_workflow_need_not_wait_for_it() -> None:
    code = "import sys; import knowledge_capacity.planning.job_resources; print(*sys.modules)"
    path = str(Path(job_resources.__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert not {"torch", "pandas", "scipy"} & set(done.stdout.split())
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("architecture", MODELS, ids=lambda model: model.slug)
def test_no_model_is_taken_for_smaller_than_it_is(architecture: Architecture) -> None:
    one = run(architecture)
    tokens = tokenizer.make_word_tokenizer(corpus.vocabulary_texts(one.dataset)).get_vocab_size()
    size = count_parameters(
        architecture, TextStatistics(vocabulary=tokens, used=tokens, shortest=1, longest=512), 512
    )
    assert tokens <= job_resources.max_vocabulary_size(one)
    assert size <= job_resources.max_parameters(one) < 3 * size


def test_speeds_are_those_that_were_measured() -> None:
    for device, rates in (
        ("gpu", cost.h100_rates()),
        ("cpu", cost.measured_rates(pd.read_parquet(PUBLISHED))),
    ):
        speed = job_resources.RATES[device]  # type: ignore[index]
        for name in ("per_layer_step", "per_token", "per_flop"):
            assert getattr(speed, name) == pytest.approx(getattr(rates, name), rel=0.5), (device, name)
        assert speed.habit == rates.habit


def test_minutes_grow_with_the_work_and_end_at_a_day() -> None:
    small, large = run(MODELS[0]), run(MODELS[2])
    assert (
        job_resources.START
        < job_resources.training_minutes([small], "gpu")
        < job_resources.training_minutes([large], "gpu")
    )
    assert job_resources.training_minutes([small], "gpu") < job_resources.training_minutes([small], "cpu")
    assert (
        job_resources.training_minutes([run(MODELS[2], n_people=10_000_000)], "gpu") == job_resources.LONGEST
    )
    assert (
        job_resources.training_minutes([replace(small, architecture=PythonModel("model.py:build"))], "gpu")
        == job_resources.UNKNOWN
    )
    assert (
        job_resources.training_minutes([replace(small, architecture=Checkpoint("somewhere"))], "gpu")
        == job_resources.START
    )


def test_memory_covers_what_a_run_of_twenty_million_people_reads() -> None:
    small, many = (
        job_resources.training_memory([run(MODELS[0])], "cpu"),
        job_resources.training_memory([run(MODELS[0], n_people=20_000_000)], "cpu"),
    )
    assert many - small > 20_000_000 * 22 / 1e6, "docs: 22 bytes a person"
    strings = Run(
        RandomStrings(n_strings=200, length=64, symbols=16),
        MODELS[0],
        Recipe(10, lr=1e-3, batch_size=4, window=64),
        0,
    )
    assert job_resources.training_memory([strings], "cpu") < small
    assert job_resources.training_memory(
        [small_gpu := run(MODELS[0])], "gpu"
    ) > job_resources.training_memory([small_gpu], "cpu")


def test_the_published_runs_would_have_had_time_enough() -> None:
    rows = pd.read_parquet(PUBLISHED)
    rows = rows[~rows.device.str.endswith(BUSY)]  # beside other work, and stopped for it
    measuring = rows.groupby("run").measure_seconds.sum()
    for row in rows.drop_duplicates("run").itertuples():
        specs = {
            "dataset": row.dataset_spec,
            "architecture": row.architecture_spec,
            "recipe": row.recipe_spec,
        }
        one = parse_run(
            json.dumps({**{name: json.loads(text) for name, text in specs.items()}, "seed": row.seed})
        )
        assert row.train_seconds < 60 * job_resources.training_minutes([one], "cpu") - 120, row.run
        assert measuring[row.run] < 60 * job_resources.short_minutes([one], "cpu") - 120, row.run


def test_larger_studies_have_longer_to_be_measured() -> None:
    minutes = [
        job_resources.short_minutes([run(MODELS[0], n_people)], "gpu") for n_people in (1000, 10_000_000)
    ]
    assert 30 < minutes[0] < 40 < minutes[1] <= 24 * 60


def test_jobs_of_data_ask_for_what_their_people_take() -> None:
    """Ten minutes to start, and twice what was published for ten million people."""
    timed = json.loads((PUBLISHED.parent / "stream.json").read_text())
    most = max(timed, key=lambda one: one["n_people"])
    people = BioS(most["n_people"])
    for seeds in (1, 100):
        wanted = 10 + 2 * seeds * most["draw_and_write_seconds"] / 60
        assert job_resources.people_minutes(people, seeds) == pytest.approx(wanted, abs=2)
    assert job_resources.tokenizer_minutes() == 10
    texts = [job_resources.rewrites_minutes(BioG(n, rewrites=40)) for n in (1000, 1_000_000, 1_000_000_000)]
    assert texts[0] == 11
    assert texts == sorted(texts)
    assert texts[-1] == job_resources.LONGEST
    assert job_resources.rewrites_minutes(BioR(10, model="a-model")) == job_resources.LONGEST


def test_tokenising_asks_for_what_all_texts_of_its_dataset_take() -> None:
    """Less than the hour of other jobs for a dataset of the paper, and far more where there are more texts."""
    few, paper, many, endless = (
        job_resources.encode_minutes(BioG(n, rewrites=40)) for n in (1000, 20_000, 1_000_000, 1_000_000_000)
    )
    assert 10 < few < 15 < paper < 60
    assert 10 * 60 < many < endless
    assert endless == job_resources.LONGEST
    assert job_resources.encode_minutes(BioR(20_000, rewrites=40, model="a-model")) == paper


def test_a_scheduler_is_asked_for_these_minutes(tmp_path: Path) -> None:
    folder = copy_tree(tmp_path / "clone")
    smoke = ["--configfile", "studies/smoke.yaml"]
    snakemake(folder, "--cores", "1", *smoke, "--until", "people.bioG-20-rewrites4-poolsa44f9e-bpe400")
    assert asked_minutes(folder, smoke) == {"people": 11, "tokenizer": 10, "rewrites": 11}
    snakemake(folder, "--cores", "2", *smoke, "--until", "rewrites", "tokenizer")
    assert asked_minutes(folder, smoke)["encode"] == 11


def asked_minutes(folder: Path, smoke: list[str]) -> dict[str, int]:
    """What jobs that could start ask a scheduler for, which takes none of them, by stage."""
    asked = folder / "asked"
    asked.write_text("")
    submit = f"echo {{rule}} {{resources.runtime}} >> '{asked}'; false"
    options = ["--executor", "cluster-generic", "--cluster-generic-submit-cmd", submit, "--jobs", "20"]
    snakemake(folder, *options, "--default-resources", "runtime=60", *smoke, ok=False)
    lines = map(str.split, asked.read_text().splitlines())
    return {stage.partition(".")[0]: int(minutes) for stage, minutes in lines}
