"""Runs that are trained at once: each comes out as if it were alone, whatever becomes of the others."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from knowledge_capacity import tensorfile
from knowledge_capacity.data.stream import Stream
from knowledge_capacity.files import UserError
from knowledge_capacity.specs import Architecture, BioS, Dataset, Experts, Junk, Pools, Recipe, Run
from knowledge_capacity.specs.architectures import FAMILIES
from knowledge_capacity.training import course, stack
from knowledge_capacity.training.course import Point, TrainingDiverged, TrainingResult, TrainingStopped
from knowledge_capacity.training.loop import train
from knowledge_capacity.training.stack import Member, Outcome, train_stack

POOLS = Pools(3, 3, 4, birth_years=4, cities=8, universities=6, majors=5, employers=9)
BIOS = BioS(n_people=11, pools=POOLS, templates=3)
RECIPE = Recipe(exposures=7, lr=3e-3, batch_size=4, window=24, warmup_steps=5)
RUN = Run(BIOS, Architecture(layers=2, heads=1, width=16), RECIPE, seed=0)
VOCABULARY = 120
ROUNDING = 2e-5  # of losses, relative; and of weights, which are below 1 and moved by up to 0.1

StreamOf = Callable[[Dataset, int], Stream]


def of(run: Run, seed: int, lr: float = RECIPE.lr, exposures: int = RECIPE.exposures) -> Run:
    return replace(run, seed=seed, recipe=replace(run.recipe, lr=lr, exposures=exposures))


@pytest.fixture
def alone(stream_of: StreamOf, tmp_path: Path) -> Callable[..., Outcome]:
    """Train a run by itself, with its checkpoint under tmp_path."""

    def make(run: Run, stop_after: int | None = None, device: str = "cpu") -> Outcome:
        taken = iter(range(1, 1_000_000))
        try:
            return train(
                run,
                stream_of(run.dataset, run.seed),
                VOCABULARY,
                tmp_path / run.slug / "checkpoint",
                identity="me",
                save_every=math.inf,
                device=device,
                stop=lambda: next(taken) == stop_after,
            )
        except TrainingDiverged as error:
            return error

    return make


@pytest.fixture
def together(stream_of: StreamOf, tmp_path: Path) -> Callable[..., list[Outcome]]:
    """Train runs in a stack, with their checkpoints where `alone` has them; the outcomes in the order of the runs."""

    def make(
        runs: Sequence[Run],
        size: int = 8,
        stop_after: int | None = None,
        points: list[tuple[Run, Point]] | None = None,
        device: str = "cpu",
        said: list[str] | None = None,
        without_data: Sequence[Run] = (),
    ) -> list[Outcome]:
        def open_stream(run: Run) -> Stream:
            if run in without_data:
                raise UserError("no people")
            return stream_of(run.dataset, run.seed)

        members = [
            Member(run, partial(open_stream, run), tmp_path / run.slug / "checkpoint", "me") for run in runs
        ]
        taken = iter(range(1, 1_000_000))
        sharing = dict.fromkeys(runs, 1)

        def report(run: Run, point: Point, at_once: int) -> None:
            assert 1 <= at_once <= size
            sharing[run] = max(sharing[run], at_once)
            if points is not None:
                points.append((run, point))

        found = {
            member.run.slug: outcome
            for member, outcome in train_stack(
                members,
                VOCABULARY,
                size,
                save_every=math.inf,
                device=device,
                report=report,
                say=said.append if said is not None else lambda line: None,
                stop=lambda: next(taken) == stop_after,
            )
        }
        assert len(found) == len(runs)
        for run, most in sharing.items():
            if run not in without_data:
                assert most <= trained(found[run.slug]).at_once <= min(size, len(runs))
        return [found[run.slug] for run in runs]

    return make


def stop(make: Callable[..., object], *arguments: object, **options: object) -> None:
    with pytest.raises(TrainingStopped, match="progress is saved"):
        make(*arguments, **options)


def trained(outcome: Outcome) -> TrainingResult:
    found = outcome.trained if isinstance(outcome, TrainingDiverged) else outcome
    assert isinstance(found, TrainingResult)
    return found


def untimed(outcome: Outcome) -> list[Point]:
    """The log without what no two executions share, and without the loss."""
    left_out = ("seconds", "tokens_per_second", "loss")
    return [{k: v for k, v in point.items() if k not in left_out} for point in trained(outcome).log]


def assert_alike(ours: Outcome, theirs: Outcome, bound: float = ROUNDING) -> None:
    """The same but for rounding; with a bound of 0, to the bit."""
    assert type(ours) is type(theirs)
    one, other = trained(ours), trained(theirs)
    for field in ("steps", "tokens", "used_tokens", "precision"):
        assert getattr(one, field) == getattr(other, field), field
    if isinstance(theirs, TrainingDiverged):
        return
    assert one.routing_dropped == other.routing_dropped
    assert untimed(ours) == untimed(theirs)
    losses = [[point["loss"] for point in each.log] for each in (one, other)]
    assert losses[0] == (losses[1] if bound == 0 else pytest.approx(losses[1], rel=bound))
    others = other.model.state_dict()
    for name, value in one.model.state_dict().items():
        torch.testing.assert_close(value, others[name], rtol=0, atol=bound, msg=name)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_run_in_a_stack_is_the_run_alone(
    alone: Callable[..., Outcome], together: Callable[..., list[Outcome]], family: str
) -> None:
    heads = 4 if family == "mistral" else 2
    experts = Experts(4, top_k=2) if family == "gpt2-moe" else None
    run = replace(RUN, architecture=Architecture(2, heads, 16, family=family, experts=experts))  # type: ignore[arg-type]
    runs = [of(run, 0), of(run, 1, lr=1e-3), of(run, 1), of(run, 2, lr=2e-4)]
    for one, other in zip(together(runs), map(alone, runs), strict=True):
        assert_alike(one, other)


def test_neighbours_leave_no_trace(together: Callable[..., list[Outcome]]) -> None:
    """Not a bit of a run changes with what is trained beside it, be that good, of another length, or NaN."""
    run, other = of(RUN, 0), of(RUN, 1)
    found, *_ = together([run, other, of(RUN, 2)])
    again, long, lost = together([run, of(RUN, 3, exposures=11), of(RUN, 4, lr=1e30)])
    assert_alike(again, found, bound=0)
    assert trained(long).steps > trained(found).steps
    assert isinstance(lost, TrainingDiverged)
    assert [trained(one).at_once for one in (again, long, lost)] == [3, 3, 3]


def test_a_run_that_diverges_is_recorded_as_it_would_be_alone_and_the_rest_go_on(
    alone: Callable[..., Outcome], together: Callable[..., list[Outcome]]
) -> None:
    runs = [of(RUN, 0), of(RUN, 1, lr=1e30), of(RUN, 2, lr=30.0, exposures=20), of(RUN, 3)]
    outcomes = together(runs)
    for ours, theirs in zip(outcomes, map(alone, runs), strict=True):
        assert_alike(ours, theirs)
    lost, exploded = outcomes[1:3]
    assert isinstance(lost, TrainingDiverged)
    assert isinstance(exploded, TrainingDiverged)
    assert "the loss is nan" in lost.reason
    assert "lr (now 1e+30)" in str(lost)
    assert "twice that of a uniform guess" in exploded.reason
    assert exploded.trained.steps == exploded.trained.log[-1]["step"] < trained(outcomes[0]).steps


def test_weights_that_are_lost_after_the_last_point_of_the_log_are_noticed(
    together: Callable[..., list[Outcome]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack, "MOST_STEPS", 5)
    monkeypatch.setattr(course, "LOG_POINTS", 2)
    runs = [replace(run, recipe=replace(RECIPE, steps=11)) for run in (of(RUN, 0), of(RUN, 1))]
    undisturbed = together(runs)
    stop(together, runs, stop_after=2)
    checkpoint = tmp_path / runs[0].slug / "checkpoint"
    tensors, texts = tensorfile.read_tensors(checkpoint)
    tensors["weight/layers.0.mlp.inner.weight"][0, 0] = math.nan
    tensorfile.write_tensors(checkpoint, tensors, texts)
    lost, kept = together(runs)
    assert isinstance(lost, TrainingDiverged)
    assert lost.reason == "weights are NaN or infinite at step 11 of about 11"
    assert_alike(kept, undisturbed[1], bound=0)


@pytest.mark.parametrize("ahead", [1, 5, 1000])
def test_runs_of_all_lengths_take_turns_in_few_places(
    alone: Callable[..., Outcome],
    together: Callable[..., list[Outcome]],
    monkeypatch: pytest.MonkeyPatch,
    ahead: int,
) -> None:
    """Whatever a run finds in its place, and however many steps are laid out at once."""
    monkeypatch.setattr(stack, "MOST_STEPS", ahead)
    monkeypatch.setattr(course, "LOG_POINTS", 7)
    runs = [of(RUN, seed, exposures=2 + 3 * (seed % 3)) for seed in range(5)]
    runs[3] = replace(runs[3], recipe=replace(runs[3].recipe, steps=11))
    points: list[tuple[Run, Point]] = []
    outcomes = together(runs, size=2, points=points)
    for run, ours, theirs in zip(runs, outcomes, map(alone, runs), strict=True):
        assert_alike(ours, theirs)
        assert [point for each, point in points if each == run] == trained(ours).log
        seconds = [point["seconds"] for point in trained(ours).log]
        assert seconds == sorted(seconds)
        assert trained(ours).seconds >= seconds[-1] > 0


def test_junk_windows_are_those_of_the_run_alone(
    alone: Callable[..., Outcome], together: Callable[..., list[Outcome]]
) -> None:
    junk = Junk(people=40, share=0.5)
    run = replace(RUN, recipe=replace(RECIPE, junk=junk))
    ours, theirs = together([run])[0], alone(run)
    assert_alike(ours, theirs)
    assert trained(ours).at_once == trained(theirs).at_once == 1


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stacks look up every four steps, and runs stop between points of the log."""
    monkeypatch.setattr(stack, "MOST_STEPS", 4)
    monkeypatch.setattr(course, "LOG_POINTS", 5)


FOUR = [of(RUN, 0), of(RUN, 1, lr=1e-3), of(RUN, 1, exposures=9), of(RUN, 2, exposures=5)]


@pytest.mark.parametrize(
    "architecture", [RUN.architecture, Architecture(2, 1, 16, "gpt2-moe")], ids=["", "moe"]
)
@pytest.mark.usefixtures("short")
def test_a_stack_that_was_stopped_ends_as_an_undisturbed_one(
    together: Callable[..., list[Outcome]], architecture: Architecture
) -> None:
    runs = [replace(run, architecture=architecture) for run in FOUR]
    undisturbed = together(runs)
    for looks in (1, 2):
        stop(together, runs, stop_after=looks)
    said: list[str] = []
    for ours, theirs in zip(together(runs, said=said), undisturbed, strict=True):
        assert_alike(ours, theirs, bound=0)
    assert said == [f"{run.slug}: going on from step 12" for run in runs]


@pytest.mark.usefixtures("short")
def test_progress_goes_from_stack_to_run_and_back_and_into_other_stacks(
    alone: Callable[..., Outcome], together: Callable[..., list[Outcome]]
) -> None:
    first, second, third, fourth = FOUR
    undisturbed = [alone(run) for run in FOUR]
    stop(alone, second, stop_after=3)  # alone, then with others, then alone
    stop(together, [first, second, third], stop_after=2)
    ours = [alone(second), *together([fourth, third, first])]
    for one, other in zip(ours, [undisturbed[i] for i in (1, 3, 2, 0)], strict=True):
        assert_alike(one, other)


@pytest.mark.usefixtures("short")
def test_a_stop_saves_what_is_under_way_and_begins_nothing(
    together: Callable[..., list[Outcome]], tmp_path: Path
) -> None:
    stop(together, FOUR, size=2, stop_after=1)
    assert [(tmp_path / run.slug / "checkpoint").exists() for run in FOUR] == [True, True, False, False]


def test_a_run_that_cannot_begin_is_told_of_and_the_others_go_on(
    together: Callable[..., list[Outcome]],
) -> None:
    runs = [of(RUN, seed) for seed in range(4)]
    undisturbed = together(runs, size=2)
    found = together(runs, size=2, without_data=(runs[1], runs[2]))
    assert [str(outcome) for outcome in found[1:3]] == ["no people", "no people"]
    for place in (0, 3):
        assert_alike(found[place], undisturbed[place])


def test_runs_of_another_shape_are_refused(together: Callable[..., list[Outcome]]) -> None:
    other = replace(RUN, seed=1, recipe=replace(RECIPE, batch_size=8))
    with pytest.raises(UserError, match=f"{other.slug} cannot be trained in one step with {RUN.slug}"):
        together([RUN, other])


needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU here")
ON_A_GPU = {
    "gpt2": RUN.architecture,
    "llama": Architecture(2, 2, 16, "llama"),
    "mistral": Architecture(2, 4, 32, "mistral"),
    "moe": Architecture(2, 1, 16, "gpt2-moe", experts=Experts(4)),
}


@needs_cuda
@pytest.mark.parametrize("family", ON_A_GPU)
def test_a_stack_on_a_gpu_is_captured_and_learns_what_each_run_does_alone(
    alone: Callable[..., Outcome], together: Callable[..., list[Outcome]], family: str
) -> None:
    """In bf16, whose products carry three digits: losses of every log point within two per cent."""
    runs = [replace(run, architecture=ON_A_GPU[family]) for run in (*FOUR, of(RUN, 5, lr=1e30))]
    outcomes = together(runs, device="cuda")
    for ours, theirs in zip(outcomes, [alone(run, device="cuda") for run in runs], strict=True):
        assert type(ours) is type(theirs)
        one, other = trained(ours), trained(theirs)
        assert (one.engine, one.precision) == ("captured", "bf16")
        if isinstance(ours, TrainingDiverged):
            continue
        assert (one.steps, one.tokens, one.used_tokens) == (other.steps, other.tokens, other.used_tokens)
        losses = [[point["loss"] for point in each.log] for each in (one, other)]
        assert losses[0] == pytest.approx(losses[1], rel=0.02)


@needs_cuda
@pytest.mark.usefixtures("short")
def test_a_stack_on_a_gpu_goes_on_where_it_was_stopped(together: Callable[..., list[Outcome]]) -> None:
    undisturbed = together(FOUR, device="cuda")
    for looks in (1, 2):
        stop(together, FOUR, stop_after=looks, device="cuda")
    for ours, theirs in zip(together(FOUR, device="cuda"), undisturbed, strict=True):
        one, other = trained(ours), trained(theirs)
        assert (one.steps, one.tokens, one.used_tokens) == (other.steps, other.tokens, other.used_tokens)
        losses = [[point["loss"] for point in each.log] for each in (one, other)]
        assert losses[0] == pytest.approx(losses[1], rel=0.02)
