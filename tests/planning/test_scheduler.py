"""What Slurm is asked for."""

from typing import Any

import pytest
from knowledge_capacity.files import UserError
from knowledge_capacity.planning.scheduler import asks_for_gpu, parse_minutes, spread_over_machines


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, {}),
        ({"gpu": 4, "tasks": 1}, {"gpu": 4}),
        ({"nodes": 2}, {"nodes": 2, "tasks": 2}),
        ({"nodes": 2, "tasks": 2}, {"nodes": 2, "tasks": 2}),
        ({"nodes": 2, "gpu": 0}, {"nodes": 2, "gpu": 0, "tasks": 2}),
        ({"nodes": 2, "gpu": 8, "tasks": 2}, {"nodes": 2, "gres": "gpu:4"}),
        ({"nodes": 2, "gpu": 2, "gpu_model": "h100"}, {"nodes": 2, "gres": "gpu:h100:1"}),
        ({"nodes": 2, "gres": "gpu:4"}, {"nodes": 2, "gres": "gpu:4"}),
        ({"nodes": 2, "gres": "lscratch:9"}, {"nodes": 2, "gres": "lscratch:9", "tasks": 2}),
    ],
)
def test_each_machine_has_one_task_and_its_gpus(given: dict[str, Any], found: dict[str, Any]) -> None:
    assert spread_over_machines(given) == found


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"gpu": 4, "tasks": 4}, r"train:tasks=4: .* Leave tasks out"),
        ({"nodes": 2, "gpu": 3}, r"train:gpu=3: 2 machines cannot have as many each"),
        ({"nodes": 2, "gpu": 2, "gres": "gpu:1"}, r"train:gpu=2 beside train:gres=gpu:1: set one"),
    ],
)
def test_what_machines_cannot_share_is_refused(given: dict[str, Any], reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        spread_over_machines(given)


@pytest.mark.parametrize(
    ("given", "has"),
    [
        ({}, False),
        ({"gpu": 0}, False),
        ({"gpu": 1}, True),
        ({"gpu": lambda wildcards, attempt: attempt}, True),
        ({"gres": "shard:1"}, True),
        ({"gres": "mps:20"}, True),
        ({"gres": "gpu:h100:1"}, True),
        ({"gres": "lscratch:100"}, False),
    ],
)
def test_a_gpu_is_asked_for_whole_or_in_part(given: dict[str, Any], has: bool) -> None:
    assert asks_for_gpu(given) == has


@pytest.mark.parametrize(
    ("limit", "minutes"),
    [("infinite", None), ("n/a", None), ("30:00", 30), ("4:00:00", 240), ("1-12:00:00", 36 * 60)],
)
def test_the_limit_of_a_partition_is_in_minutes(limit: str, minutes: int | None) -> None:
    assert parse_minutes(limit) == minutes
