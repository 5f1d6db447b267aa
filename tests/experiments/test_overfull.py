"""Bits against people at fixed size: which lines there are, and the ratio that is told."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from experiments.test_figures import RECORD, table
from knowledge_capacity.data.pieces import Term
from knowledge_capacity.experiments import overfull
from knowledge_capacity.measuring import result_row
from knowledge_capacity.models.build import build_model, n_parameters
from knowledge_capacity.specs import Architecture, BioS, Pools, Recipe, Run
from knowledge_capacity.verdicts.claims import NotMeasured

POOLS = Pools(16, 16, 32, birth_years=16, cities=16, universities=16, majors=16, employers=16)


def measured(people: int, exposures: int, seed: int, loss: float, width: int = 8) -> dict[str, Any]:
    """A model that loses so many nats on every fact of everybody."""
    run = Run(BioS(people, pools=POOLS), Architecture(2, 1, width), Recipe(exposures, 1e-3), seed)
    losses = np.full((4, people, len(Term)), loss)
    losses[:, :, Term.LATE_EMPLOYER] = 0.0
    size = n_parameters(build_model(run.architecture, 40, 64, 0), 40)
    variant = result_row.Variant("fp32", 32.0, losses, 1.0)
    return result_row.measurement_row(run, RECORD, size, variant, "1" * 12)


# by people, what is lost on each fact: most bits are learned of 200
LOSSES = {50: 0.1, 100: 0.2, 200: 0.5, 400: 3.0}


def rows(exposures: int = 100) -> list[dict[str, Any]]:
    return [
        measured(people, exposures, seed, loss + seed / 100)
        for people, loss in LOSSES.items()
        for seed in (0, 1)
    ]


def test_lines_have_equal_exposures_or_equal_training() -> None:
    equal = [measured(people, 20_000 // people, seed, 1.0) for people in LOSSES for seed in (0, 1)]
    points = overfull.select_points(table(*rows(), *equal).to_pandas())
    assert set(points.line) == {"100 exposures", "20,000 biographies in all"}
    assert list(points[points.line == "100 exposures"].n_people) == list(LOSSES)
    first = points.iloc[0]
    assert first.seeds == 2
    assert first.right == pytest.approx((np.exp(-0.1) + np.exp(-0.11)) / 2)
    assert overfull.select_points(table(*rows()[:4]).to_pandas()).empty


def test_the_ratio_is_of_the_most_people_over_those_that_suit_best() -> None:
    frame = table(*rows()).to_pandas()
    bits = frame.groupby("n_people").capacity_ratio.mean()
    assert bits.idxmax() == 200
    found = overfull.overfull_to_best_ratio(frame)
    assert found.value.mean == pytest.approx(bits[400] / bits[200])
    with pytest.raises(NotMeasured, match="more people than suit it"):
        overfull.overfull_to_best_ratio(frame[frame.n_people <= 200])
    with pytest.raises(NotMeasured, match="3 numbers of people"):
        overfull.overfull_to_best_ratio(frame[frame.n_people <= 100])


def test_the_figure_draws_each_line_for_each_model() -> None:
    larger = [measured(people, 100, seed, 0.1, width=16) for people in LOSSES for seed in (0, 1)]
    old = pd.concat([table(*rows()).to_pandas(), table(*larger).to_pandas().assign(facts_right=np.nan)])
    points = overfull.select_points(old)
    figure = overfull.draw_figure(points)
    assert [len(ax.containers) for ax in figure.axes] == [1, 1, 0, 0]
    told = overfull.tabulate_points(points)
    assert [text == "" for text in told["% of facts right"]] == [False] * 4 + [True] * 4
    assert "most bits" in overfull.describe_figure(points)
