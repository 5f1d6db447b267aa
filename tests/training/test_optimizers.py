"""The optimisers: which parameters are whose, and that the leaner ones do what torch's own do."""

import copy

import pytest
import torch
from knowledge_capacity.models.build import build_model
from knowledge_capacity.specs import Architecture, Experts, Recipe
from knowledge_capacity.training import optimizers
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler

RECIPE = Recipe(exposures=1, lr=0.01, weight_decay=0.1, optimizer="muon")

ARCHITECTURES = {
    "gpt2": Architecture(2, 2, 8),
    "llama": Architecture(2, 2, 8, family="llama"),
    "experts": Architecture(2, 2, 8, family="gpt2-moe", experts=Experts(4)),
}


def small() -> nn.Module:
    return build_model(ARCHITECTURES["gpt2"], vocabulary=11, window=8, seed=0)


def pull(model: nn.Module, seed: int) -> None:
    """Give every parameter a gradient."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator) / 8


def weights(model: nn.Module) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in model.parameters()]


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_muon_takes_the_matrices_inside_layers_and_adamw_the_rest(kind: str) -> None:
    model = build_model(ARCHITECTURES[kind], vocabulary=11, window=8, seed=0)
    names = {id(p): name for name, p in model.named_parameters()}
    adamw, muon = optimizers.make_optimizers(model, RECIPE)
    [matrices] = [[names[id(p)] for p in group["params"]] for group in muon.param_groups]
    decayed, others = [[names[id(p)] for p in group["params"]] for group in adamw.param_groups]
    assert sorted([*matrices, *decayed, *others]) == sorted(names.values())
    stems = ["attention.joint", "attention.out"]
    stems += ["mlp.router"] if kind == "experts" else ["mlp.inner", "mlp.outer"]
    assert sorted(matrices) == sorted(f"layers.{i}.{stem}.weight" for i in range(2) for stem in stems)
    wanted = {"embedding.weight", "head.weight"} & set(names.values())
    if kind == "experts":
        wanted |= {f"layers.{i}.mlp.{which}" for i in range(2) for which in ("inner", "outer")}
    assert set(decayed) == wanted
    assert all(name.endswith(("bias", "norm.weight")) for name in others)
    assert [group["weight_decay"] for group in adamw.param_groups] == [0.1, 0.0]


def test_the_leaner_adamw_gives_the_bits_of_torchs_own() -> None:
    """Also where a gradient is missing for a step, and where the state is replaced, as by a checkpoint."""
    ours, theirs = small(), small()
    [lean] = optimizers.make_optimizers(ours, Recipe(exposures=1, lr=0.01, weight_decay=0.1))
    assert isinstance(lean, optimizers.LeanAdamW)
    names = {id(p): name for name, p in ours.named_parameters()}
    others = dict(theirs.named_parameters())
    groups = [
        {**group, "params": [others[names[id(p)]] for p in group["params"]]} for group in lean.param_groups
    ]
    plain = torch.optim.AdamW(groups, fused=True)
    for step in range(10):
        for model in (ours, theirs):
            pull(model, step)
            if step == 4:
                next(model.parameters()).grad = None
        if step == 7:
            for parameter in ours.parameters():
                lean.state[parameter] = copy.deepcopy(lean.state[parameter])
        optimizers.set_rate([lean, plain], 0.01 / (step + 1))
        lean.step()
        plain.step()
        for a, b in zip(weights(ours), weights(theirs), strict=True):
            assert torch.equal(a, b), step
    for parameter, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        for key, value in lean.state[parameter].items():
            assert torch.equal(value, plain.state[other][key]), key


def test_an_overflow_leaves_everything_as_it_was() -> None:
    model, scaler = small(), GradScaler("cpu", init_scale=4.0)
    [optimizer] = optimizers.make_optimizers(model, Recipe(exposures=1, lr=0.01))
    counts = []
    for step in range(4):
        scaler.scale(torch.zeros(()))  # so that it sets itself up
        pull(model, step)
        if step == 2:
            next(model.parameters()).grad = torch.full((11, 8), torch.inf)
        before = weights(model)
        scaler.step(optimizer)
        scaler.update()
        same = [torch.equal(a, b) for a, b in zip(before, weights(model), strict=True)]
        assert all(same) if step == 2 else not any(same)
        counts.append({float(state["step"]) for state in optimizer.state.values()})
    assert counts == [{1}, {2}, {2}, {3}]
    assert scaler.get_scale() == 2.0


def test_the_muon_for_graphs_agrees_with_torchs_own() -> None:
    ours, theirs = small(), small()
    pairs = [
        (ours, optimizers.make_optimizers(ours, RECIPE, capturable=True)),
        (theirs, optimizers.make_optimizers(theirs, RECIPE)),
    ]
    assert isinstance(pairs[0][1][1], optimizers.CapturableMuon)
    assert not isinstance(pairs[1][1][1], optimizers.CapturableMuon)
    for step in range(5):
        for model, those in pairs:
            pull(model, step)
            optimizers.set_rate(those, 0.02 / (step + 1))
            for optimizer in those:
                optimizer.step()
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(a, b, atol=1e-7, rtol=1e-5)
