"""Filling a time: which runs of which slice come next, by what is left and what is published."""

import re
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from helpers.run_workflow import ROOT
from knowledge_capacity.costs.rates import DeviceUsage, Rates
from knowledge_capacity.files import write_parquet
from knowledge_capacity.measurements import measurement_table
from knowledge_capacity.planning import clock, timebox
from knowledge_capacity.planning.choose import added_seconds
from knowledge_capacity.planning.clock import Clock
from knowledge_capacity.planning.slices import (
    Slice,
    SliceState,
    choose_fitting_seeds,
    choose_starting_seeds,
    collect_rows,
    exclude_runs,
    read_slice,
    read_state,
    run_slugs,
)

RATES = Rates(
    "a machine", 1e-3, per_token=1e-6, per_flop=0, spread=0.1, runs=3, habit=DeviceUsage(1, 1, 0, 0)
)


@pytest.fixture(scope="module")
def law() -> Slice:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        return read_slice([Path("studies/smoke.yaml"), Path("studies/smoke/1-law.yaml")], RATES)


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without results."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def published(law: Slice, runs: int, variants: tuple[str, ...] = ("fp32",)) -> pa.Table:
    """Measurements of the first runs of a slice, with the numbers of another."""
    row = (
        measurement_table.read_measurements(ROOT / "results/published/measurements.parquet")
        .slice(0, 1)
        .to_pylist()[0]
    )
    rows = [
        {**row, "run": run, "variant": variant, "experiments": ["cost"]}
        for run in list(law.wanted)[:runs]
        for variant in variants
    ]
    return measurement_table.build_table(rows)


def test_what_is_published_is_not_made_again(law: Slice, empty: Path) -> None:
    fresh = read_state(law, None)
    assert set(fresh.left.values()) == {1.0}
    assert len(fresh.left) == 8
    state = read_state(law, published(law, 3))
    assert list(state.left.values()) == [None] * 3 + [1.0] * 5
    assert len(run_slugs(state.unfinished(law.seeds))) == 5
    assert state.seconds(state.unfinished(law.seeds)) < fresh.seconds(law.seeds)
    assert state.lacking == set(list(law.wanted)[:3]), "in 8 and 4 bits; without weights they stay without"
    everything = published(law, 8, ("fp32", "int8-gptq", "int4-gptq"))
    assert not read_state(law, everything).lacking
    assert not read_state(law, everything).unfinished(law.seeds)
    # figures of this slice show them too
    asked = collect_rows(law, SliceState(fresh.left, set(), set()), everything)
    assert (
        asked["experiments"].to_pylist()
        == [["base_law", "quantization"], ["quantization"], ["quantization"]] * 8
    )
    assert timebox.has_new_measurements(asked, everything)
    assert not timebox.has_new_measurements(asked, asked)


def test_what_fits_is_chosen_and_what_is_under_way_costs_the_rest_of_it(law: Slice, empty: Path) -> None:
    state = read_state(law, None)
    whole = state.seconds(law.seeds)
    seeds, needed = choose_fitting_seeds(law, state, whole + 1, at_once=1)
    assert sorted(run_slugs(seeds)) == sorted(law.wanted)
    assert needed == pytest.approx(whole)
    fewer, needed = choose_fitting_seeds(law, state, whole / 2, at_once=1)
    assert 0 < len(run_slugs(fewer)) < 8
    assert needed <= whole / 2
    assert choose_fitting_seeds(law, state, 0.5, at_once=1)[0] == {}
    (dear, cheap) = sorted(law.seeds, key=lambda cell: -cell.whole_seconds(1))
    assert choose_starting_seeds(law, state, at_once=1) == {cheap: [0, 1]}
    assert choose_starting_seeds(law, state, at_once=2) == {cheap: [0, 1], dear: [0, 1]}
    half = SliceState({**state.left, dear.with_seed(0)[0].slug: 0.5}, set(), set())
    assert choose_starting_seeds(law, half, at_once=1) == {dear: [0, 1]}
    steps = dear.rates.seconds(dear.work)
    assert state.seconds({dear: [0]}) - half.seconds({dear: [0]}) == pytest.approx(steps / 2)
    assert sum(added_seconds(dear, [0, 1], half.left).values()) == pytest.approx(half.seconds({dear: [0, 1]}))


def test_the_next_round_is_of_the_first_slice_with_anything_that_fits(
    law: Slice, empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timebox, "ROUND", 0.0)
    monkeypatch.setattr(clock, "RESERVE", 0.0)
    second = replace(law, name="2-again")
    place = timebox.RunEnvironment("local", "1", at_once=1, factor=1.0, folder=empty)
    minutes = sum(cell.whole_seconds(4) for cell in law.seeds) / 60
    everything = timebox.choose_next_round([law, second], place, Clock(minutes + 0.1))
    assert everything
    assert (everything.slice_.name, everything.fits) == ("1-law", True)
    assert len(run_slugs(everything.seeds)) == 8
    rest = timebox.choose_next_round([exclude_runs(law, law.wanted), second], place, Clock(minutes + 0.1))
    assert rest
    assert rest.slice_.name == "2-again"
    slow = replace(place, factor=100.0)
    begun = timebox.choose_next_round([law, second], slow, Clock(minutes))
    assert begun
    assert (begun.slice_.name, begun.fits) == ("1-law", False)
    assert timebox.choose_next_round([law, second], place, Clock(1 / 60)) is None, "no time to come far"
    write_parquet(empty / "measurements.parquet", published(law, 8))
    assert timebox.choose_next_round([law, second], replace(place, states={}), Clock(minutes)) is None


def test_the_clock_says_where_the_time_went() -> None:
    one = Clock(2.0)
    assert one.until_stop == pytest.approx(72, abs=1), "of a short time, a share is left for measuring"
    assert Clock(60).until_stop == pytest.approx(3600 - clock.RESERVE, abs=1)
    with (
        one.stage("planning"),
        pytest.raises(ValueError, match="counted all the same"),
        one.stage("training"),
    ):
        raise ValueError("counted all the same")
    assert re.fullmatch(r"of 2:00: training 0:00, planning 0:00; (2:00|1:59) left", one.account())
    assert re.search(r"; 0:0\d over$", Clock(0.0).account())


def test_time_for_what_is_all_made_says_so(law: Slice, empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = timebox.RunEnvironment("local", "1", at_once=1, factor=1.0, folder=empty)
    everything = published(law, 8, ("fp32", "int8-gptq", "int4-gptq"))
    monkeypatch.setattr(timebox.RunEnvironment, "published", lambda self: everything)
    monkeypatch.setattr(timebox, "publish_measurements", lambda *rest: None)
    said: list[str] = []
    assert timebox.fill_time([law], place, Clock(1), said.append) == []
    assert "slices: nothing is left: all runs of these slices are made" in said
