"""Which runs are trained in a stack, how many at once, and what is said of the others."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from knowledge_capacity.costs import rates
from knowledge_capacity.data.stream import Stream
from knowledge_capacity.models.build import build_model
from knowledge_capacity.planning import job_resources
from knowledge_capacity.specs import (
    AnyArchitecture,
    Architecture,
    BioS,
    Dataset,
    Pools,
    PythonModel,
    Quantizer,
    Recipe,
    Run,
    TransformersModel,
)
from knowledge_capacity.training.cell import train_cell
from knowledge_capacity.training.course import TrainingDiverged, TrainingResult
from knowledge_capacity.training.parallel import Team
from knowledge_capacity.training.stack import Member, Outcome
from knowledge_capacity.training.stackable import (
    idle_parameters,
    replica_bytes,
    stack_size,
    unstackable_reason,
)
from knowledge_capacity.training.worthwhile import even_size

VOCABULARY, WINDOW = 120, 24
POOLS = Pools(3, 3, 4, birth_years=4, cities=8, universities=6, majors=5, employers=9)
RECIPE = Recipe(exposures=7, lr=3e-3, batch_size=4, window=WINDOW, warmup_steps=5)
RUN = Run(BioS(n_people=11, pools=POOLS, templates=3), Architecture(2, 1, 16), RECIPE, seed=0)
EXAMPLES = Path(__file__).parents[2] / "studies/models"
HERE = Path(__file__).parents[1] / "helpers"  # models of users
TINY: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}
STACKED: dict[str, AnyArchitecture] = {
    "block": PythonModel(f"{EXAMPLES}/block.py:build", {"width": 16}),
    "canon": PythonModel(f"{EXAMPLES}/canon.py:canon", {"width": 16}),
    "idle": PythonModel(f"{HERE}/idling_models.py:build"),
    "llama": TransformersModel("LlamaConfig", TINY),
}
ALONE: dict[str, tuple[AnyArchitecture, str]] = {
    "draws": (
        TransformersModel("GPT2Config", {"n_embd": 16, "n_layer": 1, "n_head": 1}),
        "vmap: called random",
    ),
    "keeps": (PythonModel(f"{HERE}/drawing_model.py:build"), "its model keeps more than weights"),
    "one by one": (TransformersModel("MixtralConfig", {**TINY, "num_key_value_heads": 2}), "batching rule"),
    "counts": (PythonModel(f"{HERE}/idling_models.py:counting"), "of its model has another gradient there"),
    "remembers": (PythonModel(f"{HERE}/idling_models.py:remembering"), "the buffers of its model change"),
}


@pytest.mark.parametrize("name", STACKED)
def test_a_users_model_that_torch_can_stack_is_trained_as_it_would_be_alone(
    cell: Callable[..., list[TrainingResult]], name: str
) -> None:
    runs = [replace(RUN, architecture=STACKED[name], seed=seed) for seed in range(3)]
    said: list[str] = []
    for one, other in zip(cell(runs, said, at_once=2), cell(runs, said, at_once=1), strict=True):
        assert (one.steps, one.tokens, one.used_tokens) == (other.steps, other.tokens, other.used_tokens)
        losses = [[point["loss"] for point in each.log] for each in (one, other)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-4)
        for ours, theirs in zip(one.model.parameters(), other.model.parameters(), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)
    assert said == []


@pytest.mark.parametrize("name", ALONE)
def test_a_users_model_that_torch_cannot_stack_is_trained_alone_and_that_is_said(
    cell: Callable[..., list[TrainingResult]], name: str
) -> None:
    architecture, reason = ALONE[name]
    runs = [replace(RUN, architecture=architecture, seed=seed) for seed in range(2)]
    said: list[str] = []
    first, second = cell(runs, said, at_once=2)
    assert first.steps == second.steps > 0
    (line,) = said
    assert line.startswith(
        f"{runs[0].slug} and others are trained one after the other and not in one step, since "
    )
    assert reason in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("recipe", "reason"),
    [
        (replace(RECIPE, optimizer="muon"), "its optimizer is muon"),
        (replace(RECIPE, precision="fp16"), "fp16 scales the losses of each run"),
        (replace(RECIPE, qat=Quantizer(8)), "it has qat"),
        (replace(RECIPE, precision="bf16"), None),
        (RECIPE, None),
    ],
)
def test_recipes_that_stacks_lack_are_named(recipe: Recipe, reason: str | None) -> None:
    assert unstackable_reason(replace(RUN, recipe=recipe), VOCABULARY, "cpu") == reason


def test_parameters_that_no_gradient_reaches_are_known() -> None:
    run = replace(RUN, architecture=STACKED["idle"])
    model = build_model(run.architecture, VOCABULARY, WINDOW, 0)
    assert idle_parameters(model, run, VOCABULARY) == {"unused.weight", "unused.bias", "frozen"}


def test_as_many_are_trained_at_once_as_pay_and_have_room(monkeypatch: pytest.MonkeyPatch) -> None:
    def size(layers: int, width: int, batch: int, asked: int | None = None, device: str = "cuda") -> int:
        recipe = replace(RECIPE, batch_size=batch, window=512)
        run = replace(RUN, architecture=Architecture(layers, width // 64, width), recipe=recipe)
        return stack_size(run, VOCABULARY, device, asked)

    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (80 * 2**30, 80 * 2**30))
    assert size(2, 128, 24) == 8
    assert size(2, 64, 2) == 16
    assert size(2, 128, 24, asked=20) == 20
    assert size(2, 256, 96) == 1
    assert size(2, 64, 2, device="cpu") == 1
    assert size(2, 64, 2, device="cpu", asked=3) == 3
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (2 * 2**30, 80 * 2**30))
    assert 1 < size(2, 128, 24) < 8
    assert size(2, 128, 24, asked=20) == size(2, 128, 24)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (2**20, 80 * 2**30))
    assert size(2, 128, 24) == 1


@pytest.mark.parametrize(
    ("recipe", "size"),
    [
        (replace(RECIPE, batch_size=24, window=512), 8),
        (replace(RECIPE, batch_size=2, window=512), 16),
        (replace(RECIPE, batch_size=96, window=512), 2),
        (replace(RECIPE, batch_size=999, window=512), 1),
        (replace(RECIPE, optimizer="muon"), 1),
        (replace(RECIPE, precision="fp16"), 1),
        (replace(RECIPE, qat=Quantizer(8, "rtn")), 1),
    ],
)
def test_the_planner_counts_on_as_many_at_once_as_are_trained(
    monkeypatch: pytest.MonkeyPatch, recipe: Recipe, size: int
) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (80 * 2**30, 80 * 2**30))
    run = replace(RUN, architecture=Architecture(2, 2, 128), recipe=recipe)
    stacked = unstackable_reason(run, VOCABULARY, "cuda") is None
    assert size == (stack_size(run, VOCABULARY, "cuda") if stacked else 1)
    assert size == rates.stack_size(rates.training_work(run, 1e6), job_resources.RATES["gpu"])
    assert rates.stack_size(rates.training_work(run, 1e6), job_resources.RATES["cpu"]) == 1
    few, many = (job_resources.training_memory([run] * n, "gpu") for n in (1, 16))
    assert (few == many) == (size == 1)
    assert job_resources.training_memory([run] * size, "gpu") == many


@pytest.mark.parametrize(
    ("runs", "most", "size"), [(1, 8, 1), (8, 8, 8), (9, 8, 5), (12, 8, 6), (17, 8, 6), (5, 1, 1)]
)
def test_few_places_of_a_stack_are_left_empty(runs: int, most: int, size: int) -> None:
    assert even_size(runs, most) == size


def test_five_runs_that_may_be_four_at_once_are_three_and_two(
    cell: Callable[..., list[TrainingResult]],
) -> None:
    runs = [replace(RUN, recipe=replace(RECIPE, steps=9), seed=seed) for seed in range(5)]
    assert [one.at_once for one in cell(runs, [], at_once=4)] == [3, 3, 3, 2, 2]


def test_the_memory_of_a_replica_grows_with_what_it_holds() -> None:
    def needed(run: Run) -> int:
        return replica_bytes(build_model(run.architecture, VOCABULARY, run.recipe.window, 0), run, VOCABULARY)

    small, wide = RUN, replace(RUN, architecture=Architecture(2, 1, 32))
    large = replace(RUN, recipe=replace(RECIPE, batch_size=8))
    weights = 16 * sum(p.numel() for p in build_model(RUN.architecture, VOCABULARY, WINDOW, 0).parameters())
    batch = needed(large) - needed(small)  # four windows more
    # of each layer at least its two norms, joint projection, mixed values, and inner activations before and after
    assert batch > 4 * WINDOW * 4 * 2 * (2 + 3 + 1 + 4 + 4) * 16
    assert needed(small) - weights - batch == needed(large) - weights - 2 * batch > 0
    assert needed(wide) > needed(small)


@pytest.mark.parametrize(
    ("n", "options"),
    [(1, {"at_once": 4}), (2, {}), (2, {"at_once": 1})],
    ids=["one run", "a processor", "asked"],
)
def test_stacks_are_not_made_where_they_would_not_pay(
    cell: Callable[..., list[TrainingResult]],
    monkeypatch: pytest.MonkeyPatch,
    n: int,
    options: dict[str, int],
) -> None:
    monkeypatch.delattr("knowledge_capacity.training.cell.train_stack")
    assert len(cell([replace(RUN, seed=seed) for seed in range(n)], [], **options)) == n


def test_several_processes_train_one_run_after_the_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delattr("knowledge_capacity.training.cell.train_stack")
    trained: list[int] = []

    def train(run: Run, *_: object) -> None:
        trained.append(run.seed)

    monkeypatch.setattr("knowledge_capacity.training.cell.train", train)
    members = [Member(replace(RUN, seed=seed), lambda: None, tmp_path, "") for seed in range(3)]  # type: ignore[arg-type,return-value]
    assert len(list(train_cell(members, VOCABULARY, at_once=3, team=Team(2, 0)))) == 3
    assert trained == [0, 1, 2]


def test_a_run_that_diverges_alone_is_an_outcome_too(cell: Callable[..., list[Any]]) -> None:
    runs = [replace(RUN, recipe=replace(RECIPE, lr=lr)) for lr in (1e30, 1e-3)]
    lost, kept = cell(runs, [], at_once=1)
    assert isinstance(lost, TrainingDiverged)
    assert isinstance(kept, TrainingResult)


@pytest.fixture
def cell(stream_of: Callable[[Dataset, int], Stream], tmp_path: Path) -> Callable[..., list[Outcome]]:
    """Train runs, without checkpoints; the outcomes in their order."""

    def make(runs: list[Run], said: list[str], **options: Any) -> list[Outcome]:
        members = [
            Member(run, partial(stream_of, run.dataset, run.seed), tmp_path / str(i), "")
            for i, run in enumerate(runs)
        ]
        outcomes = train_cell(members, VOCABULARY, save_every=math.inf, say=said.append, **options)
        found = {member.save_to: outcome for member, outcome in outcomes}
        return [found[member.save_to] for member in members]

    return make
