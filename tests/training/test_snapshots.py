"""Weights kept on the way, and training that goes on with other people."""

import itertools
import json
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import train_jobs
from knowledge_capacity import layout, tensorfile
from knowledge_capacity.data import corpus, people, tokenizer
from knowledge_capacity.data.lengths import mean_words, training_words
from knowledge_capacity.data.stream import Stream, make_source
from knowledge_capacity.data.windows import Windows
from knowledge_capacity.models import native, store
from knowledge_capacity.models.build import build_run_model
from knowledge_capacity.specs import (
    Afterwards,
    Architecture,
    BioS,
    HeadStart,
    Pools,
    Recipe,
    Run,
    cell_to_json,
    parse_cell,
    to_json,
)
from knowledge_capacity.training import loop, native_step
from knowledge_capacity.training.checkpoint import Progress
from knowledge_capacity.training.course import Course, TrainingResult, TrainingStopped
from knowledge_capacity.training.stackable import unstackable_reason
from torch import Tensor

POOLS = Pools(3, 3, 4, birth_years=4, cities=8, universities=6, majors=5, employers=9)
BIOS = BioS(n_people=11, pools=POOLS, templates=1)
THEN = Afterwards(people=5, exposures=6)
WORDS = tokenizer.make_word_tokenizer(corpus.vocabulary_texts(BIOS))
SOURCE = make_source(BIOS, 0, people.draw_all_people(BIOS, 0))
PLAIN = Stream(SOURCE, WORDS)
# as many tokens as one exposure has: so that no step is of two of them
EXPOSURE = int(PLAIN.lengths(PLAIN.pieces(0, 11)).sum())
RECIPE = Recipe(exposures=12, lr=3e-3, batch_size=1, window=EXPOSURE, warmup_steps=5)
RUN = Run(BIOS, Architecture(layers=2, heads=1, width=8), RECIPE, seed=0)
KEPT: dict[str, Any] = {"snapshots": True}
Train = Callable[..., TrainingResult]


def stream_of(recipe: Recipe) -> Stream:
    return Stream(SOURCE, WORDS, None, recipe.head_start, recipe.afterwards, 11 * recipe.exposures)


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Train:
    """Train RUN with some fields changed. stop_after: stop after so many looks, and then go on."""

    def make(stop_after: int | None = None, **changed: Any) -> TrainingResult:
        recipe = replace(RECIPE, **changed)
        taken = itertools.count(1)
        monkeypatch.setattr(native_step, "CALL_SECONDS", 0.0 if stop_after else 0.25)
        return loop.train(
            replace(RUN, recipe=recipe),
            stream_of(recipe),
            vocabulary=WORDS.get_vocab_size(),
            save_to=tmp_path / "checkpoint.safetensors",
            identity=str(changed),
            stop=lambda: next(taken) == stop_after,
        )

    return make


def weights(found: TrainingResult) -> dict[str, Tensor]:
    return store.saved_weights(found.model)[0]


def assert_equal(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def names_of(stream: Stream, start: int, stop: int) -> list[tuple[int, ...]]:
    return [tuple(row) for row in stream.pieces(start, stop)[:, :3].tolist()]


def test_names_of_recipes_and_snapshots() -> None:
    assert replace(RECIPE, **KEPT).slug == f"{RECIPE.slug}-snapshots"
    assert replace(RECIPE, afterwards=THEN).slug == f"{RECIPE.slug}-others5x6"
    rate = Afterwards(people=2000, exposures=6, lr=2e-2)
    assert replace(RECIPE, **KEPT, head_start=HeadStart(3, 2), afterwards=rate).slug == (
        f"{RECIPE.slug}-snapshots-start3x2-others2Kx6-lr2e-2"
    )
    times = replace(RECIPE, **KEPT, exposures=100, afterwards=THEN).snapshot_times
    after = [f"after-{n}" for n in (1, 2, 5, 10, 20, 50)]
    assert [time.slug for time in times] == [*after, "others-0", "others-1", "others-2", "others-5"]
    assert RECIPE.snapshot_times == replace(RECIPE, afterwards=THEN).snapshot_times == []
    assert [time.slug for time in replace(RECIPE, **KEPT, exposures=2).snapshot_times] == ["after-1"]


@pytest.mark.parametrize("changed", [KEPT, {"afterwards": THEN}, {"afterwards": replace(THEN, lr=1e-2)}])
def test_both_fields_are_kept_wherever_specs_are_written(changed: dict[str, Any]) -> None:
    runs = [replace(RUN, recipe=replace(RECIPE, **changed), seed=seed) for seed in range(2)]
    assert parse_cell(cell_to_json(runs)) == runs
    assert not {"snapshots", "afterwards"} & json.loads(to_json(RECIPE)).keys()


@pytest.mark.parametrize("head_start", [None, HeadStart(people=4, exposures=3)])
def test_other_people_come_once_the_exposures_are_over(head_start: HeadStart | None) -> None:
    first = replace(RECIPE, exposures=4, head_start=head_start)
    own, then = stream_of(first), stream_of(replace(first, afterwards=THEN))
    assert torch.equal(then.pieces(0, 44), own.pieces(0, 44))
    others = [names_of(then, start, start + 5) for start in range(44, 44 + 30, 5)]
    assert all(sorted(again) == sorted(others[0]) for again in others)
    assert len(set(others[0])) == 5
    assert not set(others[0]) & set(names_of(own, 0, 44))
    # cut anywhere, the stream is the same
    whole = then.pieces(0, 74)
    for cut in (1, 43, 44, 45, 60):
        assert torch.equal(torch.cat([then.pieces(0, cut), then.pieces(cut, 74)]), whole)


def test_others_are_counted_among_the_tokens() -> None:
    recipe = replace(RECIPE, exposures=4, afterwards=THEN)
    windows = Windows(stream_of(recipe), 4, 2, 32)
    _, targets = windows.take(10_000)
    ends = int((targets == PLAIN.end_token).sum())
    assert ends == 44 + 30
    assert windows.expected_tokens == pytest.approx(ends * PLAIN.mean_length())
    assert training_words(BIOS, recipe) == ends * mean_words(BIOS)


def test_the_rate_afterwards_is_constant_and_the_schedule_before_what_it_was() -> None:
    def rates(**changed: Any) -> list[float]:
        recipe = replace(RECIPE, **changed)
        course = Course(
            replace(RUN, recipe=recipe),
            stream_of(recipe),
            99,
            Progress(torch.zeros(99), torch.zeros(3)),
            False,
        )
        return [course.rate(step) for step in range(course.steps)]

    plain = rates()
    assert len(plain) == 12
    after = rates(afterwards=THEN)
    assert after[:12] == plain
    assert len(after) > 12
    assert set(after[12:]) == {0.1 * 3e-3}
    assert set(rates(afterwards=replace(THEN, lr=2e-2))[12:]) == {2e-2}


def test_keeping_weights_on_the_way_changes_no_weight(train: Train) -> None:
    plain, kept = train(), train(**KEPT)
    assert_equal(weights(kept), weights(plain))
    assert [point["loss"] for point in kept.log] == [point["loss"] for point in plain.log]
    assert plain.snapshots == {}


@pytest.mark.parametrize("engine", ["native", "eager"])
def test_snapshots_are_the_weights_that_training_had_reached(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    """A step is an exposure here: stopped after so many, the checkpoint holds the weights of that snapshot."""
    if engine == "eager":
        monkeypatch.setattr(loop, "has_native_step", lambda *_: False)
    elif not native.is_available():
        pytest.skip("there is no compiler")
    changed = {**KEPT, "afterwards": THEN}
    found = train(**changed)
    assert found.engine == engine
    snapshots = split(found)
    assert list(snapshots) == [f"after-{n}" for n in (1, 2, 5, 10)] + [f"others-{n}" for n in (0, 1, 2, 5)]
    assert_equal(snapshots["others-0"], weights(train()))
    for name, steps in (("after-1", 1), ("after-2", 2), ("after-5", 5), ("after-10", 10), ("others-0", 12)):
        (tmp_path / "checkpoint.safetensors").unlink(missing_ok=True)
        with pytest.raises(TrainingStopped, match=f"at step {steps} of"):
            train(stop_after=steps, **changed)
        assert_equal(snapshots[name], reached(tmp_path / "checkpoint.safetensors"))


def reached(path: Path) -> dict[str, Tensor]:
    """The weights in a checkpoint, as they are saved."""
    tensors, _ = tensorfile.read_tensors(path)
    model = build_run_model(RUN, WORDS.get_vocab_size())
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(tensors[f"weight/{name}"])
    return store.saved_weights(model)[0]


@pytest.mark.parametrize("steps", [1, 3, 12, 13])
def test_an_interrupted_run_has_the_same_snapshots(train: Train, steps: int) -> None:
    changed = {**KEPT, "afterwards": THEN}
    undisturbed = train(**changed)
    with pytest.raises(TrainingStopped):
        train(stop_after=steps, **changed)
    again = train(**changed)
    assert_equal(again.snapshots, undisturbed.snapshots)
    assert_equal(weights(again), weights(undisturbed))


def test_what_is_due_before_the_first_or_after_the_last_step(train: Train) -> None:
    """One step is of all exposures: it is nearest to the last ones, and the first are before it."""
    found = train(**KEPT, batch_size=16)
    assert found.steps == 1
    snapshots = split(found)
    assert list(snapshots) == ["after-1", "after-2", "after-5", "after-10"]
    assert tensor_bytes(snapshots["after-10"]) == tensor_bytes(weights(found))
    assert (
        tensor_bytes(snapshots["after-1"])
        == tensor_bytes(snapshots["after-5"])
        != tensor_bytes(weights(found))
    )


def split(found: TrainingResult) -> dict[str, dict[str, Tensor]]:
    """By snapshot, its weights."""
    parts: dict[str, dict[str, Tensor]] = {}
    for key, tensor in found.snapshots.items():
        snapshot, _, name = key.partition("/")
        parts.setdefault(snapshot, {})[name] = tensor
    return parts


def tensor_bytes(found: dict[str, Tensor]) -> bytes:
    return b"".join(found[name].numpy().tobytes() for name in sorted(found))


@pytest.mark.parametrize("changed", [KEPT, {"afterwards": THEN}])
def test_such_runs_are_trained_one_at_a_time(changed: dict[str, Any]) -> None:
    run = replace(RUN, recipe=replace(RECIPE, **changed))
    assert unstackable_reason(run, 50, "cpu") == f"it has {next(iter(changed))}"


# as many people and exposures as `Job` expects, and then others
JOB = replace(train_jobs.RUN, recipe=replace(train_jobs.RUN.recipe, **KEPT, afterwards=Afterwards(9, 40)))


@pytest.mark.slow
def test_a_killed_job_leaves_the_snapshots_of_an_undisturbed_one(data: Path, tmp_path: Path) -> None:
    undisturbed = train_jobs.Job(data, tmp_path / "undisturbed", JOB)
    undisturbed.finish()
    names = [path.name for path in undisturbed.folder.iterdir() if path.name != ".lock"]
    assert sorted(names) == sorted(layout.trained_names(True))
    job = train_jobs.Job(data, tmp_path / "killed", JOB)
    job.interrupt(signal.SIGKILL)
    assert not (job.folder / layout.SNAPSHOTS).exists()
    job.finish()
    assert "going on from step" in job.log.read_text()
    train_jobs.assert_same(job, undisturbed)
    ours, theirs = ((one.folder / layout.SNAPSHOTS).read_bytes() for one in (job, undisturbed))
    assert ours == theirs
    # where it is not what it was, the run is trained again
    (job.folder / layout.SNAPSHOTS).write_bytes(theirs[:-1])
    job.finish()
    assert (job.folder / layout.SNAPSHOTS).read_bytes() == theirs


@pytest.mark.slow
def test_a_run_that_diverges_has_no_snapshots(data: Path, tmp_path: Path) -> None:
    job = train_jobs.Job(data, tmp_path, replace(JOB, recipe=replace(JOB.recipe, lr=1e9)))
    job.finish()
    tensors, texts = tensorfile.read_tensors(job.folder / layout.SNAPSHOTS)
    assert tensors == {}
    assert "loss" in texts["diverged"]
