"""The training loop: exact exposures, exact resumption, and plain words about a run that diverges."""

import itertools
import math
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from knowledge_capacity import tensorfile
from knowledge_capacity.data.stream import Stream
from knowledge_capacity.data.windows import Windows
from knowledge_capacity.files import UserError
from knowledge_capacity.models.build import build_model, token_weights
from knowledge_capacity.specs import (
    Architecture,
    BioD,
    BioS,
    Dataset,
    Experts,
    Pools,
    PythonModel,
    Recipe,
    Run,
)
from knowledge_capacity.training import course, native_step
from knowledge_capacity.training.loop import TrainingDiverged, TrainingResult, TrainingStopped, train
from knowledge_capacity.training.parallel import Team
from knowledge_capacity.training.schedule import learning_rate
from torch import Tensor

SMALL = Pools(3, 3, 4, birth_years=4, cities=8, universities=6, majors=5, employers=9)
BIOS = BioS(n_people=11, pools=SMALL, templates=3)
BIOD = BioD(n_people=11, attributes=3, chunks=2, diversity=6, length=2, symbols=5, pools=SMALL)
RECIPE = Recipe(exposures=7, lr=3e-3, batch_size=4, window=24, warmup_steps=5)
RUN = Run(BIOS, Architecture(layers=2, heads=1, width=8), RECIPE, seed=0)

StreamOf = Callable[[Dataset, int], Stream]
Point = dict[str, float]


@pytest.fixture
def start(
    stream_of: StreamOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., TrainingResult]:
    """Train a run as scripts/train.py does, with its checkpoint under tmp_path. stop_after: so many steps."""

    def make(
        run: Run,
        stop_after: int | None = None,
        identity: str = "me",
        points: list[Point] | None = None,
        save_every: float = math.inf,
        device: str = "cpu",
    ) -> TrainingResult:
        stream = stream_of(run.dataset, run.seed)
        taken = iter(range(1, 1_000_000))
        # whoever stops after a step is asked after each; nobody else is, so that both ways are compared
        monkeypatch.setattr(native_step, "CALL_SECONDS", 0.0 if stop_after else 0.25)
        torch.seed()  # as in a process of its own, nothing is left of what was drawn before
        return train(
            run,
            stream,
            vocabulary=int(stream.assemble(stream.pieces(0, 1000)).tokens.max()) + 1,
            save_to=tmp_path / "checkpoint.safetensors",
            identity=identity,
            save_every=save_every,
            device=device,
            report=(points if points is not None else []).append,
            stop=lambda: next(taken) == stop_after,
        )

    return make


def embedding(found: TrainingResult) -> Tensor:
    return next(token_weights(found.model))


def rows(found: TrainingResult) -> int:
    return len(embedding(found))


def assert_same(ours: TrainingResult, theirs: TrainingResult) -> None:
    """Bit for bit the same result, apart from the time it took and the points between."""
    others = theirs.model.state_dict()
    for name, value in ours.model.state_dict().items():
        assert torch.equal(value, others[name]), name
    for field in ("steps", "tokens", "used_tokens"):
        assert getattr(ours, field) == getattr(theirs, field), field
    for one, other in zip(ours.log, theirs.log, strict=True):
        times = {"seconds": 0, "tokens_per_second": 0}
        assert {**one, **times} == {**other, **times}


@pytest.mark.parametrize("dataset", [BIOS, BIOD], ids=["bioS", "bioD"])
@pytest.mark.parametrize("stops", [[1], [20], [1, 1, 6, 13]])
def test_an_interrupted_run_ends_as_an_undisturbed_one(
    start: Callable[..., TrainingResult],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    dataset: Dataset,
    stops: list[int],
) -> None:
    run = replace(RUN, dataset=dataset)
    monkeypatch.setattr(course, "LOG_POINTS", 5)  # so that runs stop between points of the log
    undisturbed = start(run)
    for steps in stops:
        with pytest.raises(TrainingStopped, match=rf"{run.slug}: stopped at step .* progress is saved"):
            start(run, stop_after=steps)
        assert (tmp_path / "checkpoint.safetensors").exists()
    points: list[Point] = []
    resumed = start(run, points=points)
    assert points[0]["step"] > sum(stops)
    assert_same(resumed, undisturbed)


def test_a_run_stopped_after_its_last_step_still_ends_the_same(start: Callable[..., TrainingResult]) -> None:
    undisturbed = start(RUN)
    with pytest.raises(TrainingStopped):
        start(RUN, stop_after=undisturbed.steps)
    assert_same(start(RUN), undisturbed)


def test_checkpoints_on_the_way_change_nothing(start: Callable[..., TrainingResult], tmp_path: Path) -> None:
    undisturbed = start(RUN)
    assert not (tmp_path / "checkpoint.safetensors").exists()
    saving = start(RUN, save_every=0)
    assert_same(saving, undisturbed)
    points: list[Point] = []
    assert_same(start(RUN, points=points), undisturbed)  # its checkpoint is that of the last step
    assert points == []


def test_a_checkpoint_of_another_identity_is_not_used(start: Callable[..., TrainingResult]) -> None:
    undisturbed = start(RUN)
    with pytest.raises(TrainingStopped):
        start(replace(RUN, seed=1), stop_after=5, identity="another")
    points: list[Point] = []
    assert_same(start(RUN, points=points), undisturbed)
    assert points[0]["step"] == 1


@pytest.mark.parametrize("kept", [0, 0.5, 0.99])
def test_a_truncated_checkpoint_is_not_used(
    start: Callable[..., TrainingResult], tmp_path: Path, kept: float
) -> None:
    undisturbed = start(RUN)
    with pytest.raises(TrainingStopped):
        start(RUN, stop_after=5)
    whole = (tmp_path / "checkpoint.safetensors").read_bytes()
    (tmp_path / "checkpoint.safetensors").write_bytes(whole[: int(kept * len(whole))])
    assert_same(start(RUN), undisturbed)


@pytest.mark.parametrize("dataset", [BIOS, BIOD], ids=["bioS", "bioD"])
@pytest.mark.parametrize("exposures", [1, 7])
def test_every_biography_is_trained_on_exactly_as_often_as_asked(
    stream_of: StreamOf, start: Callable[..., TrainingResult], dataset: Dataset, exposures: int
) -> None:
    run = replace(RUN, dataset=dataset, recipe=replace(RECIPE, exposures=exposures))
    found = start(run)
    stream = stream_of(dataset, 0)
    whole = stream.assemble(stream.pieces(0, exposures * dataset.n_people))
    assert found.tokens == int(whole.lengths.sum())
    assert found.used_tokens == len(whole.tokens.unique())
    assert found.steps == math.ceil(found.tokens / (4 * 24))


def test_seeds_give_other_weights_and_training_learns(start: Callable[..., TrainingResult]) -> None:
    run = replace(RUN, recipe=replace(RECIPE, exposures=40, lr=1e-2))
    one, other = start(run), start(replace(run, seed=1))
    assert not torch.equal(embedding(one), embedding(other))
    guess = math.log(rows(one))
    assert one.log[0]["loss"] == pytest.approx(guess, rel=0.02)
    assert one.log[-1]["loss"] < 0.6 * guess


def test_the_log_tells_what_was_done(start: Callable[..., TrainingResult]) -> None:
    points: list[Point] = []
    found = start(RUN, points=points)
    assert found.log == points
    assert [point["step"] for point in points] == list(range(1, found.steps + 1))
    expected = points[0]["expected_tokens"]
    assert expected == pytest.approx(found.tokens, rel=0.05)
    steps = math.ceil(expected / (4 * 24))
    for point in points:
        assert point["lr"] == learning_rate(int(point["step"]) - 1, steps, RECIPE.lr, RECIPE.warmup_steps)
        assert point["tokens"] == min(point["step"] * 4 * 24, found.tokens)
    seconds = [point["seconds"] for point in points]
    assert seconds == sorted(seconds)
    assert found.seconds >= seconds[-1] > 0


def test_updates_are_those_of_adamw_as_the_paper_uses_it(
    stream_of: StreamOf, start: Callable[..., TrainingResult]
) -> None:
    """Against a plain loop over the same windows: the paper's recipe, and no decay of biases and norms."""
    run = replace(RUN, recipe=replace(RECIPE, weight_decay=0.5, exposures=3))
    found = start(run)
    model = build_model(run.architecture, rows(found), 24, run.seed)
    groups = [
        {"params": [p for p in model.parameters() if p.dim() == 2], "weight_decay": 0.5},
        {"params": [p for p in model.parameters() if p.dim() == 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98), eps=1e-6)
    windows = Windows(stream_of(BIOS, 0), exposures=3, batch_size=4, window=24)
    losses: list[float] = []
    while (batch := windows.next()) is not None:
        for group in optimizer.param_groups:
            group["lr"] = found.log[len(losses)]["lr"]
        of_targets = model(batch[0]).log_softmax(dim=-1)[batch[1] != -100]
        targets = batch[1][batch[1] != -100]
        loss = -of_targets[torch.arange(len(targets)), targets].mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    assert [point["loss"] for point in found.log] == pytest.approx(losses, rel=1e-4)
    for ours, theirs in zip(found.model.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_a_diverging_run_says_so(start: Callable[..., TrainingResult]) -> None:
    run = replace(RUN, recipe=replace(RECIPE, lr=1e6, warmup_steps=0, exposures=20))
    with pytest.raises(UserError) as error:
        start(run)
    assert run.slug in str(error.value)
    assert "lr (now 1e+06)" in str(error.value)
    assert "\n" not in str(error.value)


def plant(path: Path) -> None:
    """Put a NaN among the weights of a checkpoint."""
    tensors, texts = tensorfile.read_tensors(path)
    tensors["weight/layers.0.mlp.inner.weight"][0, 0] = math.nan
    tensorfile.write_tensors(path, tensors, texts)


def test_a_nan_among_the_weights_is_noticed(start: Callable[..., TrainingResult], tmp_path: Path) -> None:
    with pytest.raises(TrainingStopped):
        start(RUN, stop_after=5)
    plant(tmp_path / "checkpoint.safetensors")
    with pytest.raises(UserError, match=rf"{RUN.slug}: the loss is nan at step 6.*lr \(now 0\.003\)"):
        start(RUN)


def test_a_nan_after_the_last_point_of_the_log_is_noticed(
    start: Callable[..., TrainingResult], tmp_path: Path
) -> None:
    run = replace(RUN, recipe=replace(RECIPE, exposures=51, batch_size=2))
    undisturbed = start(run)
    assert 200 <= len(undisturbed.log) < undisturbed.steps / 2
    last = int(undisturbed.log[-1]["step"])
    assert last < undisturbed.steps, "choose another recipe: this one logs its last step"
    with pytest.raises(TrainingStopped):
        start(run, stop_after=last)
    plant(tmp_path / "checkpoint.safetensors")
    with pytest.raises(UserError, match=rf"{run.slug}: weights are NaN.*lr \(now 0\.003\)"):
        start(run)


def test_a_batch_that_is_too_small_to_share_is_refused(stream_of: StreamOf, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"{RUN.slug}: batch_size 4 is less than .* 5 processes"):
        train(RUN, stream_of(BIOS, 0), 100, tmp_path / "checkpoint", "", team=Team(5, 0))


OTHERS = {
    "muon": replace(RUN, recipe=replace(RECIPE, optimizer="muon")),
    "bf16": replace(RUN, recipe=replace(RECIPE, precision="bf16")),
    "fp16": replace(RUN, recipe=replace(RECIPE, precision="fp16")),
    "steps": replace(RUN, recipe=replace(RECIPE, steps=75)),
    "drawing": replace(
        RUN, architecture=PythonModel(f"{Path(__file__).parents[1] / 'helpers/drawing_model.py'}:build")
    ),
    "experts": replace(RUN, architecture=Architecture(2, 1, 8, family="gpt2-moe", experts=Experts(4))),
}


GENERATORS = ["torch", "numpy", "python", "own torch", "own numpy", "own python", "of the file"]


def draw_numbers() -> None:
    """Leave the libraries' generators elsewhere, as in another process."""
    random.seed()
    np.random.seed()  # noqa: NPY002 (the one that models draw from)
    torch.seed()


@pytest.mark.parametrize("kind", GENERATORS)
def test_random_numbers_of_every_generator_are_seeded_and_resumed(
    start: Callable[..., TrainingResult], kind: str
) -> None:
    function = f"{Path(__file__).parents[1] / 'helpers/drawing_model.py'}:build_shaken"
    run = replace(RUN, architecture=PythonModel(function, {"kind": kind}))
    undisturbed = start(run)
    draw_numbers()
    assert_same(start(run), undisturbed)
    with pytest.raises(TrainingStopped):
        start(run, stop_after=9)
    draw_numbers()
    assert_same(start(run), undisturbed)
    other = start(replace(run, seed=run.seed + 1), identity="other")
    assert other.log[0]["loss"] != undisturbed.log[0]["loss"]


@pytest.mark.parametrize("kind", OTHERS)
def test_other_kinds_of_runs_resume_exactly(
    start: Callable[..., TrainingResult], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    run = OTHERS[kind]
    monkeypatch.setattr(course, "LOG_POINTS", 5)
    undisturbed = start(run)
    for steps in (1, 9):
        with pytest.raises(TrainingStopped):
            start(run, stop_after=steps)
    assert_same(start(run), undisturbed)
    assert undisturbed.precision == (kind if kind in ("bf16", "fp16") else "fp32")


def test_a_checkpoint_of_another_precision_is_not_used(start: Callable[..., TrainingResult]) -> None:
    with pytest.raises(TrainingStopped):
        start(OTHERS["bf16"], stop_after=5)
    points: list[Point] = []
    start(RUN, points=points)
    assert points[0]["step"] == 1


def test_steps_train_for_so_many_updates_however_many_exposures_that_takes(
    stream_of: StreamOf, start: Callable[..., TrainingResult]
) -> None:
    run = replace(RUN, recipe=replace(RECIPE, exposures=1, steps=60))
    found = start(run)
    assert (found.steps, found.tokens) == (60, 60 * 4 * 24)
    assert found.log[0]["expected_tokens"] == 60 * 4 * 24
    assert [p["lr"] for p in found.log] == [learning_rate(step, 60, RECIPE.lr, 5) for step in range(60)]
    # the batches are those of exposures that are enough
    windows, endless = (Windows(stream_of(BIOS, 0), n, 4, 24) for n in (30, None))
    for _ in range(60):
        ours, theirs = windows.next(), endless.next()
        assert ours
        assert theirs
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_the_log_tells_the_speed_since_its_last_point(start: Callable[..., TrainingResult]) -> None:
    log = start(RUN).log
    for last, point in itertools.pairwise([{"tokens": 0, "seconds": 0.0}, *log]):
        passed = point["seconds"] - last["seconds"]
        assert point["tokens_per_second"] * passed == pytest.approx(point["tokens"] - last["tokens"])
    assert "routing_load" not in log[0]


def test_a_mixture_of_experts_tells_how_its_routing_went(
    start: Callable[..., TrainingResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    each = start(OTHERS["experts"])
    assert all(0 <= p["routing_dropped"] < 1 <= p["routing_load"] <= 4 for p in each.log)
    dropped = [point["routing_dropped"] for point in each.log]
    assert each.routing_dropped == pytest.approx(sum(dropped) / each.steps)
    monkeypatch.setattr(course, "LOG_POINTS", 4)  # now with steps after the last point of the log
    few = start(OTHERS["experts"])
    assert few.log[-1]["step"] < few.steps
    assert few.routing_dropped == pytest.approx(each.routing_dropped)
    assert start(RUN).routing_dropped is None


def test_a_run_whose_loss_explodes_after_the_warm_up_tells_what_it_was_until_then(
    start: Callable[..., TrainingResult],
) -> None:
    run = replace(RUN, recipe=replace(RECIPE, lr=100, warmup_steps=2, exposures=20))
    with pytest.raises(TrainingDiverged) as error:
        start(run)
    found = error.value.trained
    assert error.value.reason in str(error.value)
    assert "twice that of a uniform guess" in error.value.reason
    assert 2 < found.steps == found.log[-1]["step"]
    assert found.log[-1]["loss"] > 2 * math.log(rows(found))
    assert all(point["loss"] <= 2 * math.log(rows(found)) for point in found.log[2:-1])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU here")
@pytest.mark.parametrize("kind", ["steps", "muon", "fp16", "experts"])
def test_runs_on_a_gpu_resume_where_they_stopped(start: Callable[..., TrainingResult], kind: str) -> None:
    run = OTHERS[kind]
    undisturbed = start(run, device="cuda")
    for steps in (1, 9):
        with pytest.raises(TrainingStopped):
            start(run, stop_after=steps, device="cuda")
    resumed = start(run, device="cuda")
    assert resumed.engine == undisturbed.engine == ("compiled" if kind == "fp16" else "captured")
    assert (resumed.steps, resumed.tokens, resumed.used_tokens) == (
        undisturbed.steps,
        undisturbed.tokens,
        undisturbed.used_tokens,
    )
    losses = [[point["loss"] for point in found.log] for found in (resumed, undisturbed)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-2)
