"""Learning and forgetting: which curves weights on the way make, and what is told of them."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from experiments.test_figures import RECORD, table
from knowledge_capacity.data.pieces import Term
from knowledge_capacity.experiments import base_law, forgetting
from knowledge_capacity.measuring import result_row
from knowledge_capacity.models.build import build_model, n_parameters
from knowledge_capacity.planning.needs import is_answerable
from knowledge_capacity.report import writing
from knowledge_capacity.specs import (
    Afterwards,
    Architecture,
    BioS,
    Pools,
    Quantizer,
    Recipe,
    Run,
    Snapshot,
    to_json,
)
from knowledge_capacity.verdicts.claims import NotMeasured

PEOPLE = BioS(
    50, pools=Pools(16, 16, 32, birth_years=16, cities=16, universities=16, majors=16, employers=16)
)
THEN = Afterwards(people=50, exposures=20)
Row = dict[str, Any]


def measured(recipe: Recipe, time: Snapshot | None, seed: int, loss: float, width: int = 8) -> Row:
    """Weights at a time, or of the end, that lose so many nats on every fact, and thrice as many on birth dates."""
    run = Run(PEOPLE, Architecture(2, 1, width), recipe, seed)
    losses = np.full((4, PEOPLE.n_people, len(Term)), loss + seed / 1000)
    losses[:, :, Term.LATE_EMPLOYER] = 0.0
    losses[:, :, Term.BIRTH_DATE] *= 3
    size = n_parameters(build_model(run.architecture, 40, 64, 0), 40)
    name, spec = (time.slug, to_json(time)) if time else ("fp32", None)
    variant = result_row.Variant(name, 32.0, losses, 1.0, spec)
    return result_row.measurement_row(run, RECORD, size, variant, "1" * 12)


# by exposures, what is lost on a fact while people are learned, and while others are
LEARNED = {1: 3.0, 2: 2.0, 5: 1.0, 10: 0.5, 20: 0.2}
LOST = {1: 0.9, 2: 1.0, 5: 1.1, 10: 1.2}


def run_rows(then: Afterwards | None = THEN, last: float = 1.5, width: int = 8, seeds: int = 2) -> list[Row]:
    recipe = Recipe(exposures=30, lr=1e-2, snapshots=True, afterwards=then)
    losses = {Snapshot(n): loss for n, loss in LEARNED.items()}
    if then:
        losses |= {Snapshot(30, 0): 0.1} | {Snapshot(30, n): loss for n, loss in LOST.items()}
    assert list(losses) == recipe.snapshot_times
    found = [
        measured(recipe, time, seed, loss, width) for time, loss in losses.items() for seed in range(seeds)
    ]
    return found + [measured(recipe, None, seed, last if then else 0.1, width) for seed in range(seeds)]


def points_of(*rows: Row) -> pd.DataFrame:
    return forgetting.select_points(table(*rows).to_pandas())


def test_what_is_known_of_each_kind_of_fact_by_exposures() -> None:
    points = points_of(*run_rows(None))
    assert set(points.panel) == {"learning"}
    assert list(dict.fromkeys(points.line)) == [
        "name",
        "birth date",
        "birth city",
        "university",
        "major",
        "employer",
        "pronoun",
    ]
    city = points[points.line == "birth city"]
    assert list(city.x) == [1, 2, 5, 10, 20, 30]
    losses = np.array([*LEARNED.values(), 0.1])
    assert list(city["mean"]) == pytest.approx(list(1 - (losses + 0.0005) / np.log(16)))
    assert (city.low < city["mean"]).all()
    assert set(points.seeds) == {2}
    # half of 4 bits is lost by 2 bits: between 2 and 5 exposures
    known = 1 - np.array([2.0005, 1.0005]) / np.log(16)
    part = (0.5 - known[0]) / (known[1] - known[0])
    assert forgetting.find_half(city) == pytest.approx(np.exp(np.log(2) + part * np.log(2.5)))
    assert forgetting.find_half(city[city.x < 5]) is None
    assert forgetting.find_half(city[city.x >= 5]) == 5


def test_what_is_left_is_of_each_run_what_it_knew_before() -> None:
    fast = run_rows(Afterwards(people=50, exposures=20, lr=1e-2), last=2.5)
    rows = [*run_rows(), *fast]
    points = points_of(*rows)
    late = points[points.panel == "forgetting"]
    assert list(dict.fromkeys(late.line)) == ["50 others, rate 0.001", "50 others, rate 0.01"]
    assert list(late.x) == 2 * [1, 2, 5, 10, 20]
    frame = table(*rows).to_pandas()
    bits = frame[frame.recipe == fast[0]["recipe"]].pivot_table(
        index="seed", columns="variant", values="bits_learned"
    )
    last = late[late.line == "50 others, rate 0.01"].iloc[-1]
    assert last["mean"] == pytest.approx(float((bits.fp32 / bits["others-0"]).mean()))
    # until then both are one run
    assert (points[points.panel == "learning"].groupby(["line", "x"]).size() == 1).all()
    assert set(points.seeds) == {2}


def test_rows_without_weights_on_the_way_make_no_points() -> None:
    plain = Recipe(exposures=30, lr=1e-2)
    stored = measured(Recipe(exposures=30, lr=1e-2, snapshots=True), None, 0, 0.1)
    stored |= {"variant": "int4-rtn", "variant_spec": to_json(Quantizer(4))}
    assert points_of(measured(plain, None, 0, 0.1), stored).empty


def test_the_claim_reads_the_most_others_at_the_lowest_rate() -> None:
    fewer = run_rows(Afterwards(people=5, exposures=20), last=0.2)
    fast = [{**row, "bits_learned": 1.0} for row in run_rows(Afterwards(people=50, exposures=20, lr=1e-2))]
    frame = table(*run_rows(), *run_rows(width=16, last=1.0), *fewer, *fast).to_pandas()
    found = forgetting.bits_left_ratio(frame)
    chosen = frame[frame.recipe == run_rows()[0]["recipe"]]
    bits = chosen.pivot_table(index=["width", "seed"], columns="variant", values="bits_learned")
    ratio = (bits["others-1"] / bits["others-0"]).groupby("width").mean()
    assert found.value.mean == pytest.approx(float(ratio.mean()))
    assert found.value.low < found.value.mean < found.value.high
    assert (found.seeds, found.n_people) == (2, 50)
    assert is_answerable(forgetting.CLAIMS[0], frame)
    with pytest.raises(NotMeasured, match="went on with other people"):
        forgetting.bits_left_ratio(table(*run_rows(None)).to_pandas())
    nothing = [row for row in run_rows() if row["variant"] != "others-0"]
    with pytest.raises(NotMeasured, match="knew something before"):
        forgetting.bits_left_ratio(table(*nothing).to_pandas())


def test_figure_table_and_words_have_every_line() -> None:
    points = points_of(*run_rows(), *run_rows(width=16), *run_rows(Afterwards(5, 20)))
    figure = forgetting.draw_figure(points)
    assert len(figure.axes) == 4
    assert [len(ax.lines) for ax in figure.axes] == [9, 4, 9, 3]
    told = forgetting.tabulate_points(points)
    assert len(told) == 7 + 2 + 7 + 1
    date, city = told.iloc[1], told.iloc[2]
    assert (city["half known after"], date["half known after"]) == ("4", "3")
    assert date["left after 1"] == ""
    left = told[told.what == "left with 50 others, rate 0.001"].iloc[0]
    assert left["half known after"] == ""
    assert left["left after 100"] == ""
    assert left["left at the end"].endswith("after 20")
    said = forgetting.describe_figure(points)
    assert "birth city 4; university 4" in said
    assert "left with 5 others, rate 0.001: " in said
    only = forgetting.draw_figure(points_of(*run_rows(None)))
    assert len(only.axes) == 1


def test_other_experiments_are_given_no_weights_on_the_way() -> None:
    rows: pa.Table = table(*run_rows(None))
    given = {name: writing.experiment_rows(name, rows) for name in ("forgetting", "base_law")}
    assert set(given["forgetting"].variant) == {"fp32", *(f"after-{n}" for n in LEARNED)}
    assert set(given["base_law"].variant) == {"fp32"}
    assert base_law.select_points(given["base_law"]).empty  # its recipe is not the paper's
    assert all(json.loads(row["recipe_spec"])["snapshots"] for row in rows.to_pylist())
