"""What a recipe changes of AdamW, the schedule, initial weights, attention and the order of people takes effect."""

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from knowledge_capacity.data import corpus, people, tokenizer
from knowledge_capacity.data.stream import Stream, make_source
from knowledge_capacity.data.windows import Windows
from knowledge_capacity.models import native
from knowledge_capacity.models.build import build_model, build_run_model
from knowledge_capacity.models.decoder import Decoder
from knowledge_capacity.specs import (
    Architecture,
    BioS,
    Dataset,
    Experts,
    HeadStart,
    Junk,
    Pools,
    Recipe,
    Run,
    cell_to_json,
    parse_cell,
    parse_recipe,
    to_json,
)
from knowledge_capacity.training import averaging, course, loop, native_step
from knowledge_capacity.training.course import TrainingResult, TrainingStopped
from knowledge_capacity.training.schedule import learning_rate
from knowledge_capacity.training.stack import stack_shape
from knowledge_capacity.training.stackable import unstackable_reason
from torch import Tensor

POOLS = Pools(3, 3, 4, birth_years=4, cities=8, universities=6, majors=5, employers=9)
BIOS = BioS(n_people=11, pools=POOLS, templates=3)
RECIPE = Recipe(exposures=7, lr=3e-3, batch_size=4, window=24, warmup_steps=5)
RUN = Run(BIOS, Architecture(layers=2, heads=1, width=8), RECIPE, seed=0)
CHANGED: list[dict[str, Any]] = [
    {"beta1": 0.8},
    {"beta2": 0.9},
    {"eps": 1e-3},
    {"final_lr": 0.0},
    {"init_std": 0.5},
    {"init_std": "width"},
    {"average": 0.5},
    {"text_mask": True},
]
StreamOf = Callable[[Dataset, int], Stream]
Train = Callable[..., TrainingResult]


@pytest.fixture
def train(stream_of: StreamOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Train:
    """Train RUN with some fields changed. stop_after: stop after so many steps, and then go on."""

    def make(stop_after: int | None = None, **changed: Any) -> TrainingResult:
        run = replace(RUN, recipe=replace(RECIPE, **changed))
        stream = stream_of(BIOS, 0)
        taken = itertools.count(1)
        monkeypatch.setattr(native_step, "CALL_SECONDS", 0.0 if stop_after else 0.25)
        return loop.train(
            run,
            stream,
            vocabulary=int(stream.assemble(stream.pieces(0, 1000)).tokens.max()) + 1,
            save_to=tmp_path / "checkpoint.safetensors",
            identity=str(changed),
            stop=lambda: next(taken) == stop_after,
        )

    return make


def weights(found: TrainingResult) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in found.model.parameters()])


def test_specs_of_plain_recipes_are_what_they_were() -> None:
    """Measurements published before there were these fields are of the same recipes."""
    before = {"exposures", "lr", "weight_decay", "batch_size", "window", "warmup_steps", "junk", "optimizer"}
    assert json.loads(to_json(RECIPE)).keys() == before | {"precision", "steps", "qat"}
    assert RECIPE.slug == "exposures7-lr3e-3-batch4-window24-warmup5"


@pytest.mark.parametrize("changed", [*CHANGED, {"head_start": HeadStart(3, 2)}], ids=str)
def test_a_field_is_kept_wherever_specs_are_written(changed: dict[str, Any]) -> None:
    recipe = replace(RECIPE, **changed)
    assert parse_recipe(json.loads(to_json(recipe))) == recipe
    runs = [replace(RUN, recipe=recipe, seed=seed) for seed in range(2)]
    assert parse_cell(cell_to_json(runs)) == runs
    assert recipe.slug != RECIPE.slug


@pytest.mark.parametrize("changed", CHANGED, ids=str)
def test_a_field_changes_what_is_trained(train: Train, changed: dict[str, Any]) -> None:
    assert not torch.allclose(weights(train(**changed)), weights(train()), rtol=1e-3)


@pytest.mark.skipif(not native.is_available(), reason="there is no compiler")
@pytest.mark.parametrize("changed", [*CHANGED[:4], CHANGED[-2]], ids=str)
def test_steps_in_cpp_are_those_of_torch(
    train: Train, monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any]
) -> None:
    ours = train(**changed)
    monkeypatch.setattr(loop, "has_native_step", lambda *_: False)
    theirs = train(**changed)
    assert (ours.engine, theirs.engine) == ("native", "eager")
    torch.testing.assert_close(weights(ours), weights(theirs), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("changed", CHANGED[-2:], ids=str)
@pytest.mark.parametrize("steps", [3, 20])
def test_an_interrupted_run_ends_the_same(train: Train, changed: dict[str, Any], steps: int) -> None:
    undisturbed = train(**changed)
    assert undisturbed.steps > steps
    with pytest.raises(TrainingStopped):
        train(stop_after=steps, **changed)
    assert torch.equal(weights(train(**changed)), weights(undisturbed))


def test_the_rate_ends_at_the_part_asked_for() -> None:
    for floor in (0.0, 0.1, 0.5, 1.0):
        assert learning_rate(100, 100, 2.0, 10, floor) == pytest.approx(2 * floor)
        assert learning_rate(55, 100, 2.0, 10, floor) == pytest.approx(1 + floor)
        assert learning_rate(4, 100, 2.0, 10, floor) == 1.0


def test_initial_matrices_have_the_spread_asked_for() -> None:
    architecture = Architecture(layers=2, heads=1, width=16)
    plain, wide = (
        build_run_model(Run(BIOS, architecture, replace(RECIPE, init_std=std), 0), vocabulary=4000)
        for std in (0.02, "width")
    )
    for (name, one), other in zip(plain.named_parameters(), wide.parameters(), strict=True):
        if one.dim() > 1:
            torch.testing.assert_close(one / 0.02, other * 4, msg=name)
        else:
            assert torch.equal(one, other), name
    assert float(next(wide.parameters()).detach().std()) == pytest.approx(0.25, rel=0.01)


def test_the_average_is_that_of_the_last_points(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Tensor] = []
    add = averaging.add_to_average

    def note(average: dict[str, Tensor], model: torch.nn.Module) -> None:
        seen.append(torch.cat([p.detach().flatten().double() for p in model.parameters()]))
        add(average, model)

    monkeypatch.setattr(loop, "add_to_average", note)
    monkeypatch.setattr(course, "LOG_POINTS", 10)
    found = train(average=0.3)
    assert 3 <= len(seen) <= 4
    torch.testing.assert_close(weights(found), torch.stack(seen).mean(dim=0).float())


@pytest.mark.parametrize(
    "architecture",
    [
        Architecture(2, 2, 16),
        Architecture(2, 4, 32, family="mistral"),
        Architecture(1, 1, 8, experts=Experts(4, capacity_test=8.0)),
    ],
    ids=lambda one: one.slug,
)
def test_with_a_mask_a_window_is_its_texts_one_by_one(architecture: Architecture) -> None:
    """The logits of texts side by side are those of each alone; without the mask, they are not."""
    model = build_model(architecture, 30, 12, seed=0, init_std=0.3).eval()
    assert isinstance(model, Decoder)
    texts = [
        torch.tensor([first, *rest]) for first, *rest in ([9, 4, 7], [0, 1, 2, 3], [0, 5], [0, 6, 8, 2, 11])
    ]
    window = torch.cat(texts)[None]
    alone = torch.cat([model(text[None]) for text in texts], dim=1)
    assert not torch.allclose(model(window), alone, atol=1e-3)
    model.first_token = 0
    torch.testing.assert_close(model(window), alone, rtol=1e-4, atol=1e-5)


def test_a_head_start_is_of_the_first_people_and_takes_nothing_from_the_rest() -> None:
    tokens = tokenizer.make_word_tokenizer(corpus.vocabulary_texts(BIOS))
    source = make_source(BIOS, 0, people.draw_all_people(BIOS, 0))
    first = HeadStart(people=4, exposures=3)
    plain, begun = Stream(source, tokens), Stream(source, tokens, head_start=first)

    def names(stream: Stream, start: int, stop: int) -> list[tuple[int, ...]]:
        return [tuple(row) for row in stream.pieces(start, stop)[:, :3].tolist()]

    own = [tuple(row) for row in plain.probe_pieces(0)[:, :3].tolist()]
    early = names(begun, 0, 12)
    assert sorted(early) == sorted(own[:4] * 3)
    assert [set(early[i : i + 4]) for i in (0, 4, 8)] == [set(own[:4])] * 3
    assert names(begun, 12, 77) == names(plain, 12, 77)
    # cut anywhere, the stream is the same
    whole = begun.pieces(0, 77)
    for cut in (1, 11, 12, 13, 40):
        assert torch.equal(torch.cat([begun.pieces(0, cut), begun.pieces(cut, 77)]), whole)
    taken = [Windows(stream, 7, 4, 24).take(10_000)[1] for stream in (plain, begun)]
    end = plain.end_token
    assert [int((part == end).sum()) for part in taken] == [77, 77]


def test_a_head_start_stands_before_junk_and_behind_domain_tokens() -> None:
    tokens = tokenizer.make_word_tokenizer(corpus.vocabulary_texts(BIOS))
    source = make_source(BIOS, 0, people.draw_all_people(BIOS, 0))
    begun = Stream(source, tokens, Junk(people=9, share=0.5), HeadStart(people=2, exposures=5))
    rows = begun.pieces(0, 10)[:, :3].tolist()
    assert len({tuple(row) for row in rows}) == 2


def test_stacks_are_of_one_kind_of_recipe() -> None:
    def shape(**changed: Any) -> tuple[object, ...]:
        return stack_shape(replace(RUN, recipe=replace(RECIPE, **changed)))

    apart = [{}, {"beta1": 0.8}, {"beta2": 0.9}, {"eps": 1e-3}, {"init_std": 0.5}]
    assert len({shape(**changed) for changed in apart}) == 5
    assert shape(final_lr=0.0, lr=1.0, exposures=9, head_start=HeadStart(3, 2)) == shape()


@pytest.mark.parametrize("changed", CHANGED[-2:], ids=str)
def test_averages_and_masks_are_made_one_run_at_a_time(changed: dict[str, Any]) -> None:
    run = replace(RUN, recipe=replace(RECIPE, **changed))
    assert unstackable_reason(run, 50, "cpu") == f"it has {next(iter(changed))}"
