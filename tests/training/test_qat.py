"""Training at few bits: forward sees what is stored, gradients pass the rounding, storing changes nothing."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import train_jobs
from helpers.train_jobs import Job
from knowledge_capacity.data.stream import Stream
from knowledge_capacity.files import UserError
from knowledge_capacity.measuring import scoring
from knowledge_capacity.models import store
from knowledge_capacity.models.build import build_model, token_weights
from knowledge_capacity.models.loss import loss
from knowledge_capacity.quantization import variants
from knowledge_capacity.specs import (
    AnyArchitecture,
    Architecture,
    BioS,
    Dataset,
    Experts,
    Pools,
    PythonModel,
    Quantizer,
    Recipe,
    Run,
    TransformersModel,
)
from knowledge_capacity.study import overlay_files
from knowledge_capacity.study.study import Study
from knowledge_capacity.training import qat
from knowledge_capacity.training.loop import TrainingResult, TrainingStopped, train
from knowledge_capacity.training.step import LossModule
from numpy.typing import NDArray
from torch import Tensor, nn

ROOT = Path(__file__).parents[2]
BLOCK = ROOT / "studies/models/block.py"
MODELS: dict[str, AnyArchitecture] = {
    "gpt2": Architecture(2, 2, 8),
    "llama-tied": Architecture(1, 2, 8, family="llama-tied"),
    "mistral": Architecture(1, 4, 16, family="mistral"),
    "gpt2-moe": Architecture(1, 1, 8, family="gpt2-moe", experts=Experts(number=3)),
    "python": PythonModel(f"{BLOCK}:build", {"width": 8}),
    "qwen3": TransformersModel(
        "Qwen3Config",
        {
            "hidden_size": 8,
            "intermediate_size": 12,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "head_dim": 4,
        },
    ),
}
QUANTIZERS = {
    "int2": Quantizer(2),
    "int3 in groups": Quantizer(3, group_size=5),
    "int4 with zero point": Quantizer(4, zero_point=True),
    "int3 of all": Quantizer(3, matrices="all"),
}
VOCABULARY, WINDOW = 30, 12
BIOS = BioS(n_people=12, pools=Pools(3, 3, 4, birth_years=4, cities=8, universities=6, majors=5, employers=9))
ONE_WORDING = replace(BIOS, templates=1)
RECIPE = Recipe(exposures=7, lr=1e-2, weight_decay=0, batch_size=4, window=32, warmup_steps=5)

each_model = pytest.mark.parametrize("architecture", MODELS.values(), ids=MODELS)
each_quantizer = pytest.mark.parametrize("quantizer", QUANTIZERS.values(), ids=QUANTIZERS)
StreamOf = Callable[[Dataset, int], Stream]
Start = Callable[..., TrainingResult]


def made(architecture: AnyArchitecture) -> nn.Module:
    """A model whose matrices are large enough for rounding to matter."""
    model = build_model(architecture, VOCABULARY, WINDOW, seed=0).train()
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def batch() -> tuple[Tensor, Tensor]:
    drawn = torch.randint(0, VOCABULARY, (3, WINDOW + 1), generator=torch.Generator().manual_seed(2))
    return drawn[:, :-1].contiguous(), drawn[:, 1:].contiguous()


def as_stored(model: nn.Module, architecture: AnyArchitecture, quantizer: Quantizer) -> nn.Module:
    """The model that the later stages read from its variant."""
    weights, outside = store.saved_weights(model)
    weights = {name: tensor.clone() for name, tensor in weights.items()}
    matrices, _ = variants.quantize(weights, outside, quantizer)
    return store.load_model(Path("here"), architecture, VOCABULARY, WINDOW, weights | matrices).train()


@each_model
@each_quantizer
def test_the_loss_is_that_of_the_stored_variant_and_its_gradients_reach_the_weights(
    architecture: AnyArchitecture, quantizer: Quantizer
) -> None:
    model = made(architecture)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    stored = as_stored(model, architecture, quantizer)
    found, expected = qat.QuantizedLoss(LossModule(model), quantizer)(*batch()), loss(stored, *batch())
    assert torch.equal(found.nats, expected.nats), "training and storing round differently"
    assert not torch.equal(found.nats, loss(model, *batch()).nats)
    found.nats.backward()
    expected.nats.backward()
    theirs = dict(stored.named_parameters())
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name]), "the weights themselves stay as they are"
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad, theirs[name].grad, rtol=1e-5, atol=1e-6)


def saved(model: nn.Module, folder: Path, run: Run) -> tuple[dict[str, Tensor], set[str]]:
    store.write_model(folder, model, run, end_token=0)
    return store.quantizable_weights(folder / "model.safetensors")


@each_model
@each_quantizer
def test_baked_weights_lie_on_the_grid_and_storing_them_changes_nothing(
    tmp_path: Path, architecture: AnyArchitecture, quantizer: Quantizer
) -> None:
    model = made(architecture)
    qat.apply_quantization(model, quantizer)
    weights, outside = saved(model, tmp_path, Run(BIOS, architecture, RECIPE, 0))
    matrices, _ = variants.quantize(weights, outside, quantizer)
    for name, matrix in matrices.items():
        moved = (matrix != weights[name]).any(dim=1).float().mean()
        assert moved <= (0.2 if quantizer.zero_point else 0), name  # see the next test
        for group in matrix.split(quantizer.group_size or matrix.shape[1], dim=1):
            assert max(len(row.unique()) for row in group) <= 2**quantizer.bits


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_what_is_rounded_does_not_move_again(bits: int) -> None:
    weight = torch.randn(20_000, 8, generator=torch.Generator().manual_seed(0))
    once = qat.fake_quantize_matrices([weight], Quantizer(bits))
    assert torch.equal(qat.fake_quantize_matrices(once, Quantizer(bits))[0], once[0])
    zero_point = Quantizer(bits, zero_point=True)
    once = qat.fake_quantize_matrices([weight], zero_point)
    moved = (qat.fake_quantize_matrices(once, zero_point)[0] - once[0]).abs().amax(dim=1)
    step = (weight.amax(dim=1).clamp_min(0) - weight.amin(dim=1).clamp_max(0)) / (2**bits - 1)
    assert (moved < step).all()
    assert float((moved > 0).float().mean()) < (0.03 if bits == 8 else 0.003)


def test_routers_and_embeddings_stay_in_full_precision() -> None:
    model = made(MODELS["gpt2-moe"])
    assert set(qat.stored_matrices(model, Quantizer(4))) == {
        f"layers.0.{name}"
        for name in ("attention.joint.weight", "attention.out.weight", "mlp.inner", "mlp.outer")
    }
    extra = set(qat.stored_matrices(model, Quantizer(4, matrices="all")))
    assert extra - set(qat.stored_matrices(model, Quantizer(4))) == {"embedding.weight"}
    with pytest.raises(UserError, match=r"qat: this model has no matrices"):
        qat.stored_matrices(nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 9)), Quantizer(4))


class Tiny(nn.Sequential):
    def __init__(self) -> None:
        torch.manual_seed(0)
        super().__init__(nn.Embedding(VOCABULARY, 8), nn.Linear(8, 8), nn.Linear(8, VOCABULARY))


@pytest.mark.slow
def test_a_compiled_loss_sees_the_same_weights() -> None:
    """A compiler that left out the rounding of scales would be off by a part in a few thousand."""
    loss_of = qat.QuantizedLoss(LossModule(Tiny()), Quantizer(4))
    compiled = torch.compile(loss_of)
    with torch.no_grad():
        expected, found = loss_of(*batch()).nats, compiled(*batch()).nats
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=0)


@pytest.fixture
def start(stream_of: StreamOf, tmp_path: Path) -> Start:
    """Train a run, from its checkpoint under tmp_path where there is one."""

    def make(run: Run, stop_after: int | None = None) -> TrainingResult:
        stream = stream_of(run.dataset, run.seed)
        taken = iter(range(1, 1_000_000))
        return train(
            run,
            stream,
            vocabulary=int(stream.assemble(stream.pieces(0, 1000)).tokens.max()) + 1,
            save_to=tmp_path / "checkpoint.safetensors",
            identity="me",
            save_every=math.inf,
            stop=lambda: next(taken) == stop_after,
        )

    return make


def test_a_checkpoint_that_is_only_measured_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing trains it, so its measurements would tell of a quantiser that it never met."""
    monkeypatch.chdir(ROOT)
    for needed in ("config.json", "tokenizer.json"):
        (tmp_path / needed).write_text("{}")

    def study(recipe: str) -> Study:
        (tmp_path / "theirs.yaml").write_text(f"""
architectures: {{given: {{kind: checkpoint, folder: {tmp_path}}}}}
recipes: {{rounded: {{exposures: 10, lr: 1e-3, weight_decay: 0, qat: {{bits: 4}}}}}}
only: [base_law]
experiments:
  base_law: {{seeds: [0], grids: [{{datasets: [bioS-tiny], architectures: [given], recipes: [{recipe}]}}]}}
""")
        return overlay_files.make_study(*overlay_files.read_configuration([tmp_path / "theirs.yaml"]))

    with pytest.raises(UserError) as error:
        study("rounded")
    assert str(error.value).splitlines()[1:] == [
        f"{tmp_path}/theirs.yaml: experiments.base_law.grids[0].recipes[0] = 'rounded': recipe rounded trains "
        "with quantised weights, and checkpoint given is only measured. Use a recipe without qat."
    ]
    assert study("bioS-100").runs


@each_model
def test_a_stopped_run_ends_with_the_bits_of_an_undisturbed_one(
    start: Start, architecture: AnyArchitecture
) -> None:
    run = Run(BIOS, architecture, replace(RECIPE, qat=Quantizer(3)), seed=0)
    undisturbed = start(run)
    with pytest.raises(TrainingStopped):
        start(run, stop_after=4)
    with pytest.raises(TrainingStopped):
        start(run, stop_after=undisturbed.steps - 4)  # after its last step, before its weights are rounded
    resumed = start(run).model.state_dict()
    assert undisturbed.steps > 20
    for name, value in undisturbed.model.state_dict().items():
        assert torch.equal(value, resumed[name]), name


@pytest.mark.slow
def test_two_processes_train_the_run_of_one(data: Path, tmp_path: Path) -> None:
    run = replace(train_jobs.RUN, recipe=replace(train_jobs.RUN.recipe, exposures=8, qat=Quantizer(4)))
    alone, together = Job(data, tmp_path / "alone", run), Job(data, tmp_path / "together", run, processes=2)
    for job in (alone, together):
        job.finish()
    losses_alone, losses_together = ([p["loss"] for p in job.points()] for job in (alone, together))
    # a weight may fall on the other side, and what follows from that grows
    assert losses_together[:30] == pytest.approx(losses_alone[:30], rel=1e-3)
    assert losses_together == pytest.approx(losses_alone, rel=1e-2)


def test_trained_at_two_bits_a_model_knows_more_than_rounded_to_them(
    start: Start, stream_of: StreamOf, tmp_path: Path
) -> None:
    """And the scores of the run as trained are those of its variant, to the last bit."""

    def scores(recipe: Recipe, stored_as: Quantizer | None) -> NDArray[np.float64]:
        run = Run(ONE_WORDING, Architecture(2, 1, 16), recipe, seed=0)
        folder = tmp_path / recipe.slug
        if not folder.exists():
            model = start(run).model
            shapes.append(len(next(token_weights(model))))
            store.write_model(folder, model, run, end_token=0)
        weights, outside = store.quantizable_weights(folder / "model.safetensors")
        matrices = variants.quantize(weights, outside, stored_as)[0] if stored_as else {}
        loaded = store.load_model(folder, run.architecture, shapes[0], 32, weights | matrices)
        return scoring.score_model(loaded, stream_of(ONE_WORDING, 0), "cpu")

    shapes: list[int] = []
    recipe, quantizer = replace(RECIPE, exposures=200, lr=2e-2, warmup_steps=20), Quantizer(2)
    trained_so = replace(recipe, qat=quantizer)
    found = scores(trained_so, quantizer)
    assert np.array_equal(found, scores(trained_so, None), equal_nan=True)
    assert np.nanmean(found) < 0.8 * np.nanmean(scores(recipe, quantizer))
