"""One step of several replicas: its update, its operations, and that it can be compiled and captured."""

from collections.abc import Callable

import pytest
import torch
from knowledge_capacity.models import ops, stacked_loss
from knowledge_capacity.models.build import build_model
from knowledge_capacity.specs import Architecture, Experts, Recipe
from knowledge_capacity.training import engine, stacked_step
from knowledge_capacity.training import optimizers as optim
from knowledge_capacity.training.replicas import Replicas
from knowledge_capacity.training.stacked_step import StackedStep, adamw
from knowledge_capacity.training.step import Step
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

VOCABULARY, ROWS, WINDOW, STEPS = 13, 4, 8, 6
BETAS, EPS = (0.8, 0.95), 1e-4
RATE = 2**-7
RECIPE = Recipe(exposures=1, lr=RATE, weight_decay=0.1, batch_size=ROWS, window=WINDOW)
ARCHITECTURES = {
    "gpt2": Architecture(2, 1, 16),
    "llama": Architecture(2, 2, 16, "llama"),
    "moe": Architecture(2, 1, 16, "gpt2-moe", experts=Experts(4)),
}
every_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=ARCHITECTURES.keys())


def small(architecture: Architecture, seed: int) -> nn.Module:
    return build_model(architecture, VOCABULARY, WINDOW, seed).train()


def windows(size: int) -> tuple[Tensor, Tensor]:
    """Random inputs and targets (steps, replicas, batch, window); some targets of the last step are ignored."""
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(VOCABULARY, (STEPS, size, ROWS, WINDOW + 1), generator=generator)
    targets = tokens[..., 1:].clone()
    targets[-1, :, -1, 3:] = -100
    return tokens[..., :-1], targets


def filled(
    architecture: Architecture, size: int, say: Callable[[str], None] = lambda line: None
) -> tuple[Replicas, StackedStep]:
    """Replicas of seeds 0, 1, …, and their step with all batches; each learns at half the rate of the one before."""
    replicas = Replicas(small(architecture, 0), size, RECIPE)
    step = StackedStep(replicas, RECIPE, "fp32", STEPS, say)
    inputs, targets = windows(size)
    for place in range(size):
        model = small(architecture, place)
        replicas.put(place, model, optim.make_optimizers(model, RECIPE)[0])
        counts = (targets[:, place] >= 0).flatten(1).sum(dim=1).tolist()
        step.fill(place, inputs[:, place], targets[:, place], counts, [RATE / 2**place] * STEPS)
    return replicas, step


def assert_as_alone(replicas: Replicas, sums: Tensor, architecture: Architecture, bound: float) -> None:
    """Weights and sums are those of steps of each model by itself."""
    inputs, targets = windows(replicas.size)
    for place in range(replicas.size):
        alone, ours = small(architecture, place), small(architecture, 99)
        step, last = Step(alone, RECIPE, "fp32"), torch.zeros(3, dtype=torch.float64)
        for i in range(STEPS):
            n_targets = int((targets[i, place] >= 0).sum())
            step(inputs[i, place], targets[i, place], n_targets, RATE / 2**place)
            torch.testing.assert_close(sums[i, place], step.sums - last, rtol=bound, atol=bound)
            last = step.sums.clone()
        replicas.take(place, ours, optim.make_optimizers(ours, RECIPE)[0])
        for one, other in zip(ours.parameters(), alone.parameters(), strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=bound)


@pytest.mark.slow
@every_architecture
def test_a_compiled_step_is_one_graph_and_gives_what_each_replica_gets_alone(
    monkeypatch: pytest.MonkeyPatch, architecture: Architecture
) -> None:
    """No part of it falls back to Python, and nothing hangs on values that only a processor would know."""
    torch._dynamo.reset()
    compile_ = torch.compile
    monkeypatch.setattr(stacked_step, "execution_modes", lambda *_: (True, True))
    monkeypatch.setattr(torch, "compile", lambda work, **options: compile_(work, fullgraph=True, **options))
    monkeypatch.setattr(engine, "run_on_side_stream", lambda run: run())
    monkeypatch.setattr(engine, "capture_graph", lambda run: run)
    said: list[str] = []
    replicas, step = filled(architecture, 3, said.append)
    with torch._dynamo.config.patch(error_on_recompile=True):
        sums = step.run(STEPS)
    assert (step.engine, said) == ("captured", [])
    assert_as_alone(replicas, sums, architecture, bound=5e-5)


class Counting(TorchDispatchMode):
    """Counts operations as they are run, each of which is a kernel or so on a GPU."""

    number = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        self.number += 1
        return function(*args, **(kwargs or {}))


@every_architecture
def test_a_step_is_as_many_operations_whatever_the_number_of_replicas(architecture: Architecture) -> None:
    numbers = []
    for size in (1, 2, 8):
        _, step = filled(architecture, size)
        with Counting() as counting:
            step.run(1)
        numbers.append(counting.number)
    one, two, eight = numbers
    assert two == eight
    assert 0 <= eight - one < 0.03 * eight  # of one, weights need not be copied for each part of a batch


def test_updates_are_those_of_torch_whatever_the_rates_and_steps() -> None:
    """Against torch's AdamW on each replica, at rates and step numbers of their own; at a rate of 0 nothing moves."""
    size = 3
    replicas = Replicas(small(ARCHITECTURES["gpt2"], 0), size, RECIPE)
    models = [small(ARCHITECTURES["gpt2"], seed) for seed in range(size)]
    theirs = [
        torch.optim.AdamW(
            [
                {"params": [p for p in model.parameters() if p.dim() == 2], "weight_decay": 0.1},
                {"params": [p for p in model.parameters() if p.dim() == 1], "weight_decay": 0.0},
            ],
            betas=BETAS,
            eps=EPS,
        )
        for model in models
    ]
    for place, model in enumerate(models):
        replicas.put(place, model, theirs[place])
    generator = torch.Generator().manual_seed(0)
    for turn in range(12):
        rates = torch.tensor([RATE, RATE / 3 if turn > 4 else 0.0, RATE if turn % 2 else 0.0])
        for kind in replicas.kinds:
            kind.leaf.grad = torch.randn(kind.leaf.shape, generator=generator)
            for place, model in enumerate(models):
                gradients = kind.layout.views(kind.leaf.grad[place])
                for name in kind.layout.names:
                    model.get_parameter(name).grad = gradients[name].clone()
            kind.leaf.grad[rates == 0] = torch.nan
        with torch.no_grad():
            adamw(replicas.kinds, replicas.steps, rates, BETAS, EPS)
        for rate, optimizer in zip(rates.tolist(), theirs, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = rate
            if rate:
                optimizer.step()
    assert replicas.steps.tolist() == [12, 7, 6]
    for place, model in enumerate(models):
        ours = small(ARCHITECTURES["gpt2"], 99)
        kept = optim.make_optimizers(ours, RECIPE)[0]
        replicas.take(place, ours, kept)
        for one, other in zip(ours.parameters(), model.parameters(), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)
            for key, value in theirs[place].state[other].items():
                torch.testing.assert_close(kept.state[one][key], value, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("logits", [1, 13 * 3, 13 * 8, 13 * 16, 13 * 1000], ids=lambda n: f"{n} logits")
def test_the_loss_is_that_of_each_head_however_it_is_cut(
    monkeypatch: pytest.MonkeyPatch, logits: int
) -> None:
    monkeypatch.setattr(ops, "CPU_LOGITS", logits)
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(3, 8, 5, generator=generator).requires_grad_()
    weight = torch.randn(3, VOCABULARY, 5, generator=generator).requires_grad_()
    targets = torch.randint(VOCABULARY, (3, 8), generator=generator)
    targets[1, 2:4] = -100
    shares = torch.tensor([0.5, 2.0, 0.0])
    nats = stacked_loss.linear_cross_entropy(hidden, weight, targets)
    ours = [nats, *torch.autograd.grad((nats * shares).sum(), (hidden, weight))]
    entropy = nn.functional.cross_entropy
    plain = torch.stack(
        [entropy(h @ w.T, t, reduction="sum") for h, w, t in zip(hidden, weight, targets, strict=True)]
    )
    theirs = [plain, *torch.autograd.grad((plain * shares).sum(), (hidden, weight))]
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def test_rows_added_to_the_heads_in_16_bits_belong_to_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(3, 8, 5, generator=generator).requires_grad_()
    weight = torch.randn(3, VOCABULARY, 5, generator=generator).requires_grad_()
    targets = torch.randint(VOCABULARY, (3, 8), generator=generator)
    found = []
    for rows in (64, 1):
        monkeypatch.setattr(ops, "ALIGNED", rows)
        with torch.autocast("cpu", torch.bfloat16):
            nats = stacked_loss.linear_cross_entropy(hidden, weight, targets)
        found.append([nats, *torch.autograd.grad(nats.sum(), (hidden, weight))])
    for padded, plain in zip(*found, strict=True):
        torch.testing.assert_close(padded, plain, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("products", [1, 6, 1000])
def test_a_linear_layer_gives_each_replica_its_own(monkeypatch: pytest.MonkeyPatch, products: int) -> None:
    monkeypatch.setattr(ops, "PRODUCTS", products)
    generator = torch.Generator().manual_seed(0)
    x, weight, bias = (
        torch.randn(shape, generator=generator).requires_grad_()
        for shape in ((3, 4, 5, 7), (3, 6, 7), (3, 6))
    )
    ours = ops.linear(x, weight, bias)
    theirs = torch.stack([nn.functional.linear(*each) for each in zip(x, weight, bias, strict=True)])
    torch.testing.assert_close(ours, theirs)
    gradients = [torch.autograd.grad(out.square().sum(), (x, weight, bias)) for out in (ours, theirs)]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)
