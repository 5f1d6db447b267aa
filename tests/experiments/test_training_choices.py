"""Choices of training beside the plain recipe: what is paired with what, and the ratios that are told."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from experiments.test_figures import RECORD, table
from knowledge_capacity.data.pieces import Term
from knowledge_capacity.experiments import training_choices
from knowledge_capacity.measuring import result_row
from knowledge_capacity.models.build import build_model, n_parameters
from knowledge_capacity.specs import Architecture, BioS, HeadStart, Junk, Quantizer, Recipe, Run

DATASET = BioS(n_people=50)
PLAIN = Recipe(1000, 1e-3, batch_size=4)
LOSS = 2.0


def measured(width: int, seed: int, loss: float, heads: int = 1, **changed: Any) -> dict[str, Any]:
    """A model that loses so many nats on every fact of everybody."""
    run = Run(DATASET, Architecture(2, heads, width), replace(PLAIN, **changed), seed)
    losses = np.full((4, DATASET.n_people, len(Term)), loss)
    losses[:, :, Term.LATE_EMPLOYER] = 0.0
    size = n_parameters(build_model(run.architecture, 40, 64, 0), 40)
    return result_row.measurement_row(
        run, RECORD, size, result_row.Variant("fp32", 32.0, losses, 1.0), "1" * 12
    )


def runs(gain: float = 0.0, **changed: Any) -> list[dict[str, Any]]:
    """Two sizes, two seeds. gain: nats less on every fact than the plain recipe."""
    return [measured(width, seed, LOSS - seed / 10 - gain, **changed) for width in (8, 16) for seed in (0, 1)]


def points_of(*rows: dict[str, Any]) -> pd.DataFrame:
    return training_choices.select_points(table(*rows).to_pandas())


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"beta2": 0.999, "eps": 1e-8}, training_choices.TORCH_ADAMW),
        ({"final_lr": 0.0}, training_choices.LABELS["end0"]),
        ({"init_std": "width"}, training_choices.LABELS["initwidth"]),
        ({"average": 0.1}, training_choices.LABELS["average0.1"]),
        ({"text_mask": True}, training_choices.LABELS["masked"]),
        ({"head_start": HeadStart(9, 5)}, training_choices.START),
        ({"optimizer": "muon"}, training_choices.MUON),
        ({"heads": 4}, "four heads in place of one"),
        ({"beta1": 0.5}, "b1-0.5"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_a_choice_stands_beside_the_plain_recipe(changed: dict[str, Any], name: str) -> None:
    (row,) = points_of(*runs(), *runs(gain=1.0, **changed)).itertuples()
    assert (row.choice, row.seeds, len(row.sizes)) == (name, 2, 2)
    plain, better = (table(*some).to_pandas().capacity_ratio for some in (runs(), runs(1.0, **changed)))
    assert row.ratio == pytest.approx(float(np.exp(np.log(better / plain).mean())))
    assert row.low < row.ratio < row.high


def test_what_changes_two_things_or_has_no_partner_is_left_out() -> None:
    others = [
        *runs(beta2=0.9, optimizer="muon"),
        *runs(junk=Junk(people=60)),
        *runs(qat=Quantizer(4)),
        *runs(eps=1e-8, exposures=100),
        measured(8, 5, LOSS, final_lr=0.0),
    ]
    assert points_of(*runs(), *others).empty
    assert list(points_of(*runs(), *others, *runs(average=0.1)).choice) == [
        training_choices.LABELS["average0.1"]
    ]


def test_what_differs_otherwise_is_another_pair() -> None:
    """Two plain recipes that differ in their batches have a choice each, and none is told by the other."""
    batches = [*runs(batch_size=8), *runs(1.0, batch_size=8, beta1=0.5)]
    (row,) = points_of(*runs(), *runs(0.5, beta1=0.5), *batches).itertuples()
    assert len(row.sizes) == 4
    assert points_of(*runs(), *runs(1.0, batch_size=8, beta1=0.5)).empty


def test_the_figure_and_the_table_tell_each_choice() -> None:
    points = points_of(*runs(), *runs(1.0, beta2=0.999), *runs(-1.0, heads=4))
    (ax,) = training_choices.draw_figure(points).axes
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == list(points.choice) == [training_choices.LABELS["b2-0.999"], "four heads in place of one"]
    told = training_choices.tabulate_points(points)
    assert list(told["R over plain R"]) == [f"{ratio:.2f}" for ratio in points.ratio]
    assert "by 2 choices" in training_choices.describe_figure(points)
