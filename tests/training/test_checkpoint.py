"""Checkpoints: all of a run's state, or none of it."""

from pathlib import Path

import pytest
import torch
from knowledge_capacity.data.windows import Cursor, StreamPosition
from knowledge_capacity.training import checkpoint
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler

PROGRESS = checkpoint.Progress(
    step=3,
    tokens=1234,
    seconds=5.5,
    cursor=Cursor(StreamPosition(17, 4)),
    seen=torch.tensor([True, False, True]),
    sums=torch.tensor([2.5, 0.25, 1 / 3], dtype=torch.float64),
    n_sums=2,
    dropped=0.75,
    log=[{"step": 1, "loss": 2.5}, {"step": 2, "loss": 1.0 / 3}],
)


def trained(steps: int, seed: int = 0) -> tuple[nn.Module, torch.optim.AdamW]:
    """A small model after a few steps of AdamW."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, fused=True)
    for _ in range(steps):
        step(model, optimizer)
    return model, optimizer


def step(model: nn.Module, optimizer: torch.optim.AdamW) -> None:
    optimizer.zero_grad()
    model(torch.arange(6.0).view(2, 3)).square().sum().backward()
    optimizer.step()


def saved(path: Path) -> None:
    """A checkpoint of the small model after three steps."""
    model, optimizer = trained(3)
    checkpoint.save_checkpoint(path, "me", PROGRESS, model, [optimizer])


def weights(model: nn.Module) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in model.parameters()]


def same(ours: list[Tensor], theirs: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_everything_reads_back_and_goes_on_as_before(tmp_path: Path) -> None:
    path = tmp_path / "run" / "checkpoint.safetensors"
    model, optimizer = trained(3)
    checkpoint.save_checkpoint(path, "me", PROGRESS, model, [optimizer])
    again, its_optimizer = trained(0, seed=1)
    assert not same(weights(again), weights(model))
    found = checkpoint.load_checkpoint(path, "me", again, [its_optimizer])
    assert found is not None
    assert torch.equal(found.seen, PROGRESS.seen)
    assert torch.equal(found.sums, PROGRESS.sums)
    apart = {"seen": None, "sums": None}
    assert {**vars(found), **apart} == {**vars(PROGRESS), **apart}
    assert same(weights(again), weights(model))
    for _ in range(3):
        step(model, optimizer)
        step(again, its_optimizer)
        assert same(weights(again), weights(model))


def test_a_later_checkpoint_replaces_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    for steps in (1, 2):
        model, optimizer = trained(steps)
        checkpoint.save_checkpoint(path, "me", PROGRESS, model, [optimizer])
    again, its_optimizer = trained(0, seed=1)
    assert checkpoint.load_checkpoint(path, "me", again, [its_optimizer])
    assert same(weights(again), weights(trained(2)[0]))
    assert list(tmp_path.iterdir()) == [path]


def test_a_checkpoint_of_another_identity_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    saved(path)
    written = path.read_bytes()
    model, optimizer = trained(1, seed=1)
    before = weights(model)
    assert checkpoint.load_checkpoint(path, "me too", model, [optimizer]) is None
    assert same(weights(model), before)
    assert path.read_bytes() == written


@pytest.mark.parametrize("kept", [0, 4, 0.3, 0.9, 0.999])
def test_a_truncated_checkpoint_is_ignored(tmp_path: Path, kept: float) -> None:
    path = tmp_path / "checkpoint.safetensors"
    saved(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept if kept > 1 else kept * len(whole))])
    model, optimizer = trained(1, seed=1)
    before = weights(model)
    assert checkpoint.load_checkpoint(path, "me", model, [optimizer]) is None
    assert same(weights(model), before)


def test_where_there_is_no_checkpoint_nothing_happens(tmp_path: Path) -> None:
    model, optimizer = trained(1)
    before = weights(model)
    assert checkpoint.load_checkpoint(tmp_path / "checkpoint.safetensors", "me", model, [optimizer]) is None
    assert same(weights(model), before)


def test_the_scale_of_losses_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    model, optimizer = trained(1)
    scaler = GradScaler("cpu", init_scale=8.0, growth_interval=5)
    for gradient in (1.0, 1.0, torch.inf, 1.0):
        scaler.scale(torch.zeros(()))
        for parameter in model.parameters():
            parameter.grad = torch.full_like(parameter, gradient)
        scaler.step(optimizer)
        scaler.update()
    checkpoint.save_checkpoint(path, "me", PROGRESS, model, [optimizer], scaler)
    fresh = GradScaler("cpu")
    again, its_optimizer = trained(0, seed=1)
    assert checkpoint.load_checkpoint(path, "me", again, [its_optimizer], fresh)
    assert fresh.state_dict() == scaler.state_dict()
    assert (fresh.get_scale(), fresh.state_dict()["_growth_tracker"]) == (4.0, 1)
