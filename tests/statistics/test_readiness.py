"""What a model learned late in its training, read from the log of its loss."""

import math
from typing import Any

import pandas as pd
import pytest
from knowledge_capacity.statistics.readiness import late_share

ROW = {"bits_learned": 5000.0, "junk_share": 0.0, "recipe_spec": "{}", "train_tokens": 1e6, "exposures": 100}


def make_row(**values: Any) -> pd.Series:
    return pd.Series({**ROW, **values})


def log_of(losses: list[float]) -> list[dict[str, float]]:
    """Points of a log, evenly over the tokens."""
    return [{"tokens": 1e6 * (i + 1) / len(losses), "loss": loss} for i, loss in enumerate(losses)]


def test_a_loss_that_falls_in_the_last_tenth_is_bits_learned_late() -> None:
    """0.02 nats a token, over the 10,000 tokens of an exposure, are 289 of 5,000 bits."""
    losses = [1.0] * 180 + [0.98] * 20
    assert late_share(make_row(), log_of(losses)) == pytest.approx(0.02 * 10_000 / math.log(2) / 5000)
    assert late_share(make_row(), log_of([1.0] * 200)) == 0


@pytest.mark.parametrize(
    ("values", "points"),
    [
        ({"bits_learned": -1.0}, 200),
        ({"junk_share": 0.5}, 200),
        ({"recipe_spec": '{"steps": 100}'}, 200),
        ({}, 40),
        ({}, 0),
    ],
)
def test_where_a_log_does_not_tell_it_is_not_told(values: dict[str, Any], points: int) -> None:
    assert math.isnan(late_share(make_row(**values), log_of([1.0] * points)))
