"""One training step: however it is run, it gives the numbers of the plain one."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from knowledge_capacity.models.build import build_model
from knowledge_capacity.specs import Architecture, Experts, Recipe
from knowledge_capacity.training import engine
from knowledge_capacity.training import step as steps
from knowledge_capacity.training.step import Precision, Step
from torch import Tensor, nn

VOCABULARY, ROWS, WINDOW = 13, 4, 8
# rates are powers of two, which a tensor of 32 bits holds as exactly as a number does
RECIPE = Recipe(exposures=1, lr=2**-7, weight_decay=0.1, batch_size=ROWS, window=WINDOW)
PLAIN = Architecture(layers=2, heads=1, width=8)
MOE = Architecture(2, 1, 8, family="gpt2-moe", experts=Experts(4))
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU here")


def batches(number: int) -> list[tuple[Tensor, Tensor]]:
    """Random windows; the last batch is filled up with ignored targets."""
    generator = torch.Generator().manual_seed(0)
    made = [
        (tokens[:, :-1], tokens[:, 1:].clone())
        for tokens in torch.randint(VOCABULARY, (number, ROWS, WINDOW + 1), generator=generator)
    ]
    made[-1][1][-1, 3:] = -100
    return made


def trained(
    model: nn.Module, recipe: Recipe = RECIPE, precision: Precision = "fp32", number: int = 8
) -> tuple[Step, list[Tensor], list[str]]:
    """The step after some batches, the sums after each of them, and what was said."""
    said: list[str] = []
    step, sums = Step(model, recipe, precision, say=said.append), []
    device = next(model.parameters()).device
    for i, (inputs, targets) in enumerate(batches(number)):
        step(inputs.to(device), targets.to(device), int((targets >= 0).sum()), recipe.lr / 2 ** (i % 3))
        sums.append(step.sums.cpu().clone())
    return step, sums, said


def small(architecture: Architecture = PLAIN) -> nn.Module:
    return build_model(architecture, VOCABULARY, WINDOW, seed=0)


def assert_close(
    ours: tuple[nn.Module, list[Tensor]], theirs: tuple[nn.Module, list[Tensor]], rtol: float
) -> None:
    """Weights and the sums on the way are the same; rtol 0: to the bit."""
    torch.testing.assert_close(torch.stack(ours[1]), torch.stack(theirs[1]), rtol=rtol, atol=rtol)
    for a, b in zip(ours[0].parameters(), theirs[0].parameters(), strict=True):
        torch.testing.assert_close(a.detach().cpu(), b.detach().cpu(), rtol=rtol, atol=rtol)


@pytest.fixture
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool, bool], None]:
    """Have steps on the processor compiled, captured or both; a capture there is just the step itself."""

    def make(compiling: bool, capturing: bool) -> None:
        monkeypatch.setattr(steps, "execution_modes", lambda *_: (compiling, capturing))
        monkeypatch.setattr(engine, "run_on_side_stream", lambda run: run())
        monkeypatch.setattr(engine, "capture_graph", lambda run: run)

    return make


def test_the_loss_is_the_mean_over_targets_that_are_not_ignored() -> None:
    model = small()
    _, sums, _ = trained(model, number=1)
    inputs, targets = batches(1)[0]
    fresh = small()(inputs).log_softmax(dim=-1).flatten(0, 1)
    kept = targets.flatten() >= 0
    wanted = -fresh[torch.arange(len(kept))[kept], targets.flatten()[kept]].mean()
    assert float(sums[0][0]) == pytest.approx(wanted.item(), rel=1e-6)
    assert float(sums[0][0]) == pytest.approx(math.log(VOCABULARY), rel=0.05)


def test_a_mixture_of_experts_tells_of_its_routing_and_trains_its_router() -> None:
    model = small(MOE)
    _, sums, _ = trained(model)
    dropped, load = (sums[-1][1:] / len(sums)).tolist()
    assert 0 <= dropped < 1 <= load <= 4
    name = "layers.0.mlp.router.weight"
    assert not torch.equal(model.get_parameter(name), small(MOE).get_parameter(name))


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("architecture", [PLAIN, MOE], ids=["plain", "experts"])
def test_a_step_on_the_tensors_of_a_graph_gives_the_same(
    as_on_a_gpu: Callable[[bool, bool], None], architecture: Architecture, optimizer: str
) -> None:
    recipe = replace(RECIPE, optimizer=optimizer)  # type: ignore[arg-type]
    plain = small(architecture)
    step, sums, _ = trained(plain, recipe, number=4)
    assert step.engine == "eager"
    as_on_a_gpu(False, True)
    captured = small(architecture)
    found, its_sums, said = trained(captured, recipe, number=4)
    assert found.engine == "captured"
    assert said == []
    # Muon works in bfloat16, where another last digit of a weight may come to a sixteenth of an update
    assert_close((captured, its_sums), (plain, sums), rtol=0 if optimizer == "adamw" else recipe.lr / 16)


@pytest.mark.slow
def test_a_compiled_loss_gives_the_same(as_on_a_gpu: Callable[[bool, bool], None]) -> None:
    plain, compiled = small(), small()
    _, sums, _ = trained(plain)
    as_on_a_gpu(True, False)
    step, its_sums, said = trained(compiled)
    assert (step.engine, said) == ("compiled", [])
    assert_close((compiled, its_sums), (plain, sums), rtol=1e-4)


def test_what_cannot_be_compiled_or_captured_is_run_in_the_next_best_way(
    as_on_a_gpu: Callable[[bool, bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, refused = small(), small()
    _, sums, _ = trained(plain)
    as_on_a_gpu(True, True)

    def refuse(function: object) -> Callable[..., None]:
        def fail(*_: object) -> None:
            raise RuntimeError("not this one\nbecause")

        return fail

    monkeypatch.setattr(torch, "compile", refuse)
    monkeypatch.setattr(engine, "capture_graph", lambda run: refuse(run)())
    step, its_sums, said = trained(refused)
    assert step.engine == "eager"
    assert said == [
        "its loss cannot be compiled (RuntimeError: not this one)",
        "its steps cannot be captured as a CUDA graph (RuntimeError: not this one)",
    ]
    assert_close((refused, its_sums), (plain, sums), rtol=0)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_lower_precisions_learn_nearly_the_same(precision: Precision) -> None:
    plain, rounded = small(), small()
    _, sums, _ = trained(plain)
    step, its_sums, _ = trained(rounded, precision=precision)
    assert (step.scaler is not None) == (precision == "fp16")
    assert not torch.equal(torch.stack(sums), torch.stack(its_sums))
    torch.testing.assert_close(torch.stack(its_sums), torch.stack(sums), rtol=0.02, atol=0)


def test_auto_is_full_precision_on_a_processor_and_bf16_on_a_gpu() -> None:
    assert steps.chosen_precision("auto", "cpu") == "fp32"
    assert steps.chosen_precision("auto", "cuda") == "bf16"
    assert steps.chosen_precision("fp16", "cpu") == "fp16"
    assert steps.execution_modes("cpu", "fp32", 1) == (False, False)
    assert steps.execution_modes("cuda", "bf16", 1) == (True, True)
    assert (
        steps.execution_modes("cuda", "fp16", 1) == steps.execution_modes("cuda", "bf16", 2) == (True, False)
    )


@needs_cuda
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("architecture", [PLAIN, MOE], ids=["plain", "experts"])
def test_steps_captured_on_a_gpu_give_the_numbers_of_a_processor(
    architecture: Architecture, optimizer: str
) -> None:
    recipe = replace(RECIPE, optimizer=optimizer)  # type: ignore[arg-type]
    plain, captured = small(architecture), small(architecture).cuda()
    _, sums, _ = trained(plain, recipe, number=20)
    step, its_sums, said = trained(captured, recipe, number=20)
    assert (step.engine, said) == ("captured", [])
    assert_close((captured, its_sums), (plain, sums), rtol=1e-3 if optimizer == "adamw" else 1e-2)


@needs_cuda
@pytest.mark.parametrize(("precision", "engine"), [("bf16", "captured"), ("fp16", "compiled")])
def test_lower_precisions_learn_nearly_the_same_on_a_gpu(precision: Precision, engine: str) -> None:
    plain, rounded = small(), small().cuda()
    _, sums, _ = trained(plain)
    step, its_sums, _ = trained(rounded, precision=precision)
    assert step.engine == engine
    torch.testing.assert_close(torch.stack(its_sums), torch.stack(sums), rtol=0.02, atol=0)


class Synchronising(nn.Module):
    """A model that a graph cannot hold: it asks the GPU for a number."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(VOCABULARY, 8), nn.Linear(8, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        return self.head(x / max(1.0, x.norm().item()))


@needs_cuda
def test_a_model_that_waits_for_the_gpu_is_trained_without_a_graph() -> None:
    torch.manual_seed(0)
    step, sums, said = trained(Synchronising().cuda())
    assert step.engine in ("compiled", "eager")
    assert len([line for line in said if "captured" in line]) == 1
    assert torch.stack(sums).isfinite().all()
