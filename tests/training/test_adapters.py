"""Adapters: only low-rank updates are trained, as peft trains them, above what their base is."""

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from knowledge_capacity.data import people
from knowledge_capacity.data.stream import Stream, make_source
from knowledge_capacity.extraction.tuning import prepare_model
from knowledge_capacity.files import UserError
from knowledge_capacity.models import native_decoder
from knowledge_capacity.models.build import build_model, build_run_model
from knowledge_capacity.models.loss import loss
from knowledge_capacity.specs import (
    Adapter,
    AnyArchitecture,
    Architecture,
    Base,
    BioS,
    Dataset,
    Pools,
    Recipe,
    Run,
    TransformersModel,
    parse_recipe,
    to_json,
)
from knowledge_capacity.training import loop, native_step
from knowledge_capacity.training.adapters import AdaptedModel, AdapterStep
from knowledge_capacity.training.adopt import refuse_known_people
from knowledge_capacity.training.bases import base_run, make_base_stream
from knowledge_capacity.training.course import TrainingResult, TrainingStopped
from knowledge_capacity.training.parallel import Team
from torch import Tensor, nn

POOLS = Pools(3, 3, 4, birth_years=4, cities=8, universities=6, majors=5, employers=9)
BIOS = BioS(n_people=11, pools=POOLS, templates=3)
GPT2 = Architecture(layers=2, heads=1, width=8)
RECIPE = Recipe(exposures=7, lr=3e-2, batch_size=4, window=24, warmup_steps=5, weight_decay=0.0)
OTHERS, STRINGS = Base("others", 9, 5, 1e-2), Base("strings", 13, 6, 1e-2)
GPT2_OF_TRANSFORMERS = TransformersModel("GPT2Config", {"n_embd": 8, "n_layer": 2, "n_head": 2})
StreamOf = Callable[[Dataset, int], Stream]


@pytest.fixture
def stream(stream_of: StreamOf) -> Stream:
    return stream_of(BIOS, 0)


def vocabulary_of(stream: Stream) -> int:
    return int(stream.possible_tokens().max()) + 1


def run_with(adapter: Adapter, architecture: AnyArchitecture = GPT2) -> Run:
    return Run(BIOS, architecture, replace(RECIPE, adapter=adapter), seed=0)


def train(run: Run, stream: Stream, folder: Path, stop: Callable[[], bool] = lambda: False) -> TrainingResult:
    place = folder / "checkpoint.safetensors"
    return loop.train(run, stream, vocabulary_of(stream), place, identity="same", stop=stop)


def state(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.named_parameters()}


@pytest.mark.parametrize(
    ("targets", "changed"),
    [
        ("attention", {"attention.joint.weight", "attention.out.weight"}),
        ("mlp", {"mlp.inner.weight", "mlp.outer.weight"}),
        (
            "layers",
            {"attention.joint.weight", "attention.out.weight", "mlp.inner.weight", "mlp.outer.weight"},
        ),
        ("embeddings", {"embedding.weight"}),
    ],
)
def test_only_the_targets_change_and_by_so_low_a_rank(
    targets: Any, changed: set[str], stream: Stream, tmp_path: Path
) -> None:
    run = run_with(Adapter(2, targets))
    before = state(build_run_model(run, vocabulary_of(stream)))
    done = train(run, stream, tmp_path)
    found = set()
    for name, value in state(done.model).items():
        update = value - before[name]
        if update.any():
            found.add(name.split(".", 2)[-1] if name.startswith("layers.") else name)
            assert torch.linalg.matrix_rank(update, rtol=1e-3) <= 2
    assert found == changed


def test_p_of_an_adapter_counts_both_factors_and_the_rows_of_used_tokens(stream: Stream) -> None:
    vocabulary = vocabulary_of(stream)
    model = build_run_model(run_with(Adapter(3)), vocabulary)

    def counted(adapter: Adapter) -> int:
        return AdaptedModel(model, adapter, seed=0).n_trained(used_tokens=vocabulary - 2)

    # two layers of width 8: 8 → 24 and 8 → 8 of attention, 8 → 32 and 32 → 8 of the MLP
    assert counted(Adapter(3, "attention")) == 2 * 3 * (8 + 24 + 8 + 8)
    assert counted(Adapter(3, "mlp")) == 2 * 3 * (8 + 32 + 32 + 8)
    assert counted(Adapter(3)) == counted(Adapter(3, "attention")) + counted(Adapter(3, "mlp"))
    assert counted(Adapter(3, "embeddings")) == 3 * (vocabulary - 2 + 8)


@pytest.mark.parametrize("architecture", [GPT2, GPT2_OF_TRANSFORMERS], ids=lambda one: one.family)
def test_gradients_are_those_of_peft(architecture: AnyArchitecture, stream: Stream) -> None:
    vocabulary = vocabulary_of(stream)
    ours, theirs = (build_model(architecture, vocabulary, 24, seed=0).eval() for _ in range(2))
    adapted = AdaptedModel(ours, Adapter(2), seed=0)
    for up in adapted.ups:
        nn.init.normal_(up, std=0.1)
    _, names = prepare_model(theirs, rank=2, new_words=0, seed=0)
    layers: list[Any] = [theirs.get_submodule(name) for name in names]
    for layer, up, down in zip(layers, adapted.ups, adapted.downs, strict=True):
        layer.lora_A["default"].weight.data.copy_(down)
        layer.lora_B["default"].weight.data.copy_(up)
    tokens = torch.randint(vocabulary, (4, 25), generator=torch.Generator().manual_seed(0))
    inputs, targets = tokens[:, :-1], tokens[:, 1:]
    expected = loss(theirs, inputs, targets).nats / targets.numel()
    expected.backward()
    step = AdapterStep(adapted, replace(RECIPE, lr=0.0), "fp32")
    step(inputs, targets, targets.numel(), 0.0)
    assert float(step.sums[0]) == pytest.approx(float(expected.detach()), rel=1e-5)
    for layer, up, down in zip(layers, adapted.ups, adapted.downs, strict=True):
        for factor, theirs_of in ((down, layer.lora_A), (up, layer.lora_B)):
            gradient = theirs_of["default"].weight.grad
            assert torch.allclose(factor.grad, gradient, rtol=1e-3, atol=1e-5 * float(gradient.abs().max()))


def test_native_gradients_and_torch_train_alike(
    stream: Stream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_with(Adapter(2))
    native = train(run, stream, tmp_path)
    monkeypatch.setattr("knowledge_capacity.training.adapters.is_supported_decoder", lambda model: False)
    eager = train(run, stream, tmp_path)
    assert (native.engine, eager.engine) == ("adapter, native", "adapter, eager")
    for name, value in state(native.model).items():
        assert torch.allclose(value, eager.model.get_parameter(name), atol=2e-3), name


@pytest.mark.parametrize("base", [None, OTHERS, STRINGS], ids=["drawn", "others", "strings"])
@pytest.mark.parametrize("stop_after", [3, 30])
def test_a_run_that_was_stopped_ends_with_the_same_weights(
    base: Base | None, stop_after: int, stream: Stream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_with(Adapter(2, base=base))
    whole = train(run, stream, tmp_path / "whole")
    monkeypatch.setattr(native_step, "CALL_SECONDS", 0.0)  # a step at a time
    taken = itertools.count(1)
    with pytest.raises(TrainingStopped):
        train(run, stream, tmp_path / "cut", stop=lambda: next(taken) == stop_after)
    gone_on = train(run, stream, tmp_path / "cut")
    assert (gone_on.steps, gone_on.tokens, gone_on.trained_parameters) == (
        whole.steps,
        whole.tokens,
        whole.trained_parameters,
    )
    for name, value in state(whole.model).items():
        assert torch.equal(value, gone_on.model.get_parameter(name)), name


def test_a_base_is_trained_as_a_run_of_its_own_is(stream: Stream, tmp_path: Path) -> None:
    """What no adapter updates is what its base learned."""
    run = run_with(Adapter(2, "attention", OTHERS))
    below = base_run(run, vocabulary_of(stream))
    alone = loop.train(
        below,
        make_base_stream(below, OTHERS, stream),
        vocabulary_of(stream),
        tmp_path / "alone.safetensors",
        "alone",
    )
    assert (below.recipe.lr, below.recipe.exposures, below.recipe.adapter) == (1e-2, 5, None)
    above = train(run, stream, tmp_path)
    assert torch.equal(
        above.model.get_parameter("embedding.weight"), alone.model.get_parameter("embedding.weight")
    )


def test_a_base_of_others_tells_of_nobody_in_the_dataset(stream: Stream) -> None:
    run = run_with(Adapter(2, base=OTHERS))
    below = base_run(run, vocabulary_of(stream))
    others = make_base_stream(below, OTHERS, stream)
    names = {tuple(row[:3]) for row in people.draw_all_people(BIOS, 0).tolist()}
    theirs = {tuple(row[:3]) for row in others.source.codes.tolist()}
    assert len(theirs) == OTHERS.people
    assert not names & theirs
    assert others.end_token == stream.end_token
    told = set(others.text(others.pieces(0, 9)))
    assert len(told) == 9  # each of them once an exposure
    assert not told & set(stream.text(stream.pieces(0, 1000)))


def test_a_base_of_strings_has_the_tokens_of_the_dataset(stream: Stream) -> None:
    vocabulary = vocabulary_of(stream)
    run = run_with(Adapter(2, base=STRINGS))
    strings = make_base_stream(base_run(run, vocabulary), STRINGS, stream)
    tokens, lengths = strings.tokens(strings.pieces(0, STRINGS.people))
    assert set(lengths.tolist()) == {9}
    assert (tokens == stream.end_token).nonzero().flatten().tolist() == list(range(8, 9 * STRINGS.people, 9))
    assert int(tokens.max()) < vocabulary


def test_names_and_json_tell_all_of_an_adapter() -> None:
    recipe = replace(RECIPE, adapter=Adapter(4, "mlp", OTHERS))
    assert recipe.slug.endswith("-adapter4-mlp-on-others9x5-lr1e-2")
    assert parse_recipe(json.loads(to_json(recipe))) == recipe
    assert replace(RECIPE, adapter=Adapter(4)).slug.endswith("-adapter4")


def test_what_cannot_be_adapted_is_refused(stream: Stream, tmp_path: Path) -> None:
    without_mlp = Architecture(layers=1, heads=1, width=8, mlp="none")
    with pytest.raises(UserError, match="has no mlp for low-rank updates"):
        train(run_with(Adapter(2, "mlp"), without_mlp), stream, tmp_path)
    with pytest.raises(UserError, match="trained by one process, not 2"):
        loop.train(
            run_with(Adapter(2)), stream, vocabulary_of(stream), tmp_path / "x", "same", team=Team(size=2)
        )


def test_a_native_decoder_sees_what_is_put_into_its_weights(stream: Stream) -> None:
    """The C++ reads the parameters where they lie, so that an update must be put there in place."""
    model = build_run_model(run_with(Adapter(2)), vocabulary_of(stream))
    adapted = AdaptedModel(model, Adapter(2), seed=0)
    assert native_decoder.is_supported_decoder(model)
    places = {name: value.data_ptr() for name, value in model.named_parameters()}
    nn.init.normal_(adapted.ups[0], std=1.0)
    adapted.merge()
    assert places == {name: value.data_ptr() for name, value in model.named_parameters()}
    assert adapted.weights["layers.0.attention.joint.weight"].std() > 0.1


def test_a_model_that_knows_the_people_already_is_refused(stream: Stream, tmp_path: Path) -> None:
    """By what their biographies cost it beside those of others; seeds share no people, and sizes do."""
    run = Run(BIOS, GPT2, replace(RECIPE, exposures=300, lr=1e-2), seed=0)
    knows = train(run, stream, tmp_path).model
    knows_nobody = build_run_model(run, vocabulary_of(stream))
    refuse_known_people(run, knows_nobody, stream)
    with pytest.raises(
        UserError, match=r"it knows some \d+% of what there is to know about the people of seed 0 already"
    ):
        refuse_known_people(run, knows, stream)
    fewer = replace(run, dataset=replace(BIOS, n_people=8))
    codes = people.draw_all_people(fewer.dataset, 0)
    with pytest.raises(UserError, match="people of seed 0 already"):
        refuse_known_people(fewer, knows, stream.about(make_source(fewer.dataset, 0, codes)))
