"""What cells of a kind say of the spread over seeds, on made-up studies with a known truth."""

import itertools
import json
import math

import numpy as np
import pandas as pd
import pytest
from helpers.run_workflow import ROOT
from knowledge_capacity.measurements import measurement_table
from knowledge_capacity.measurements.columns import add_columns
from knowledge_capacity.specs import FULL_PRECISION, parse_dataset, parse_recipe
from knowledge_capacity.statistics import spread
from knowledge_capacity.statistics.compare import capacity_ratio, ratio_interval
from knowledge_capacity.statistics.coverage import NOISES, Setting, make_study, simulate_coverage
from knowledge_capacity.statistics.intervals import NO_PRIOR, Prior, interval_over_seeds
from knowledge_capacity.statistics.pairing import Pair
from knowledge_capacity.statistics.peaks import peak_interval
from scipy import stats


def test_a_prior_adds_its_freedom_and_pools_its_variance() -> None:
    values = [0.5, 0.6]
    found = interval_over_seeds(values, [0.0, 0.0], Prior(0.0001, 9.0))
    variance = (0.005 + 9 * 0.0001) / 10  # of one value by itself: 0.005
    assert found.high - found.mean == pytest.approx(stats.t.ppf(0.975, 10) * math.sqrt(variance / 2))


def test_one_seed_with_a_prior_covers_other_seeds() -> None:
    _, low, high = interval_over_seeds([0.5], [0.001], Prior(0.01, 8.0))
    assert (high - low) / 2 == pytest.approx(stats.t.ppf(0.975, 8) * 0.1)


def test_equal_variances_are_worth_as_many_freedoms_as_there_are_other_cells() -> None:
    assert spread.estimate_prior(np.full(12, 0.02), np.full(12, 1.0), 12) == pytest.approx((0.02, 11.0))


def test_unequal_variances_are_worth_few_freedoms() -> None:
    random = np.random.default_rng(0)
    true = 0.02 * np.exp(random.normal(0, 2.0, 200))
    found = spread.estimate_prior(true * random.chisquare(3, 200) / 3, np.full(200, 3.0), 200)
    assert found.freedom < 2


def test_the_freedom_of_many_cells_is_that_of_their_variances() -> None:
    """σ² drawn from a scaled inverse χ² of 8 degrees of freedom, as Smyth 2004 has it."""
    random = np.random.default_rng(0)
    true = 0.02 * 8 / random.chisquare(8, 4000)
    found = spread.estimate_prior(true * random.chisquare(2, 4000) / 2, np.full(4000, 2.0), 4000)
    assert found.freedom == pytest.approx(8, rel=0.2)
    assert found.variance == pytest.approx(float(true.mean()), rel=0.1)


def test_a_cell_alone_of_its_kind_borrows_nothing() -> None:
    rows, _ = make_study(Setting("equal", 1, 3), np.random.default_rng(0))
    alone = spread.add_spreads(rows)
    assert spread.spread_prior(alone) == NO_PRIOR
    assert capacity_ratio(alone) == capacity_ratio(rows)


def test_cells_of_another_kind_lend_nothing() -> None:
    rows, _ = make_study(Setting("equal", 12, 2), np.random.default_rng(0))
    often, rare = (
        rows.assign(exposures=1000),
        rows.assign(exposures=100, recipe="exposures100", run=rows.run + "r"),
    )
    rare["capacity_ratio"] *= 1 + 0.01 * rare.seed  # so that both kinds have a spread of their own
    both = spread.add_spreads(pd.concat([often, rare], ignore_index=True))
    own = spread.add_spreads(often)
    kept = both[both.exposures == 1000].reset_index(drop=True)
    assert list(kept.spread_variance) == pytest.approx(list(own.spread_variance))


@pytest.mark.parametrize("spec", ['{"snapshots": true}', '{"afterwards": {"people": 3}}'])
def test_weights_on_the_way_lend_nothing(spec: str) -> None:
    plain, _ = make_study(Setting("equal", 12, 2), np.random.default_rng(0))
    other = plain.assign(recipe="other", run=plain.run + "o", recipe_spec=spec)
    other["capacity_ratio"] *= 1 + 0.01 * other.seed
    both, own = spread.add_spreads(pd.concat([plain, other], ignore_index=True)), spread.add_spreads(plain)
    assert list(both.spread_variance[both.recipe != "other"]) == pytest.approx(list(own.spread_variance))


def test_no_rows_and_runs_that_all_diverged_borrow_nothing() -> None:
    rows, _ = make_study(Setting("equal", 2, 2), np.random.default_rng(0))
    assert spread.add_spreads(rows.head(0)).empty
    found = spread.add_spreads(rows.assign(diverged="loss"))
    assert (found[spread.COLUMNS] == 0).all(axis=None)


def test_variants_of_the_same_runs_borrow_from_what_others_lost() -> None:
    """Rounding takes 2 % and little else, however far seeds lie apart."""
    rows, _ = make_study(Setting("equal", 12, 2), np.random.default_rng(0))
    loss = np.random.default_rng(1).normal(0.98, 0.001, len(rows))
    rounded = rows.assign(
        variant="int8", capacity_ratio=rows.capacity_ratio * loss, bits_learned=rows.bits_learned * loss
    )
    both = spread.add_spreads(pd.concat([rows, rounded], ignore_index=True))
    cell = both[(both.dataset == "people-0") & (both.architecture == "gpt2-1")]
    a, b = cell[cell.variant == "int8"], cell[cell.variant == "fp32"]
    found = ratio_interval([Pair({}, a, b)])
    assert found
    assert found.low < 0.98 < found.high
    assert found.high - found.low < 0.01


def test_the_highest_of_equal_cells_has_a_lower_end_that_allows_for_the_choice() -> None:
    rows, truths = make_study(Setting("equal", 6, 4), np.random.default_rng(0))
    alike = rows.assign(
        capacity_ratio=[ratio / truths[cell // 4].ratio for cell, ratio in enumerate(rows.capacity_ratio)]
    )
    cells = [group for _, group in spread.add_spreads(alike).groupby("architecture")]
    best = max(map(capacity_ratio, cells))
    found = peak_interval(cells)
    assert found.mean == best.mean
    assert found.low < best.low
    tried = [cell.assign(lr_tried=[[1e-3, 2e-3]] * len(cell)) for cell in cells]
    assert peak_interval(tried).low < found.low


@pytest.mark.slow
@pytest.mark.parametrize("noise", NOISES)
def test_intervals_hold_what_they_promise(noise: str) -> None:
    """A small version of `make coverage`: of some 720 intervals 95 %, give or take what so few studies leave open."""
    lines = simulate_coverage(Setting(noise, 12, 2), studies=60, fits=0)
    found = {(line["quantity"], line["method"]): line for line in lines}
    for quantity in ("mean", "ratio", "peak"):
        assert found[quantity, "kind"]["held"] > 0.92
    assert found["ratio of peaks", "kind"]["wrong"] < 0.06
    assert found["mean", "kind"]["half_width"] < 0.5 * found["mean", "alone"]["half_width"]


def published() -> pd.DataFrame:
    return measurement_table.read_measurements(ROOT / "results/published/measurements.parquet").to_pandas()


def test_what_is_expected_of_a_cell_is_what_its_kind_says_once_it_is_measured() -> None:
    known = published()
    rows = spread.add_spreads(known)
    cell = rows[
        (rows.dataset == "bioS-300-templates1-poolsfb6f36")
        & (rows.architecture == "gpt2-2-1-d12")
        & (rows.recipe == "exposures1000-lr2e-2-wd0-batch16-window64-warmup100")
        & (rows.variant == FULL_PRECISION)
    ]
    first, measured = cell.iloc[0], spread.log_spread_prior(cell)
    dataset, recipe = (
        parse_dataset(json.loads(first.dataset_spec)),
        parse_recipe(json.loads(first.recipe_spec)),
    )
    found = spread.expected_spread(dataset, recipe, first.n_parameters, known)
    assert tuple(found) == pytest.approx(tuple(measured))
    assert found.freedom > 1
    assert spread.expected_spread(dataset, recipe, first.n_parameters, known.iloc[:0]) == NO_PRIOR


def test_the_same_seed_hardly_moves_two_models_alike_as_docs_noise_says() -> None:
    rows = add_columns(published())
    rows = rows[
        (rows.variant == FULL_PRECISION) & rows.diverged.isna() & (rows.junk_share == 0) & rows.qat.isna()
    ]
    cells = rows.groupby(spread.CELL)
    share = cells.bits_learned.transform("sum") / cells.bits_max.transform("sum")
    usable = (
        share.between(0.1, 0.9)
        & (cells.capacity_ratio.transform("min") > 0)
        & (cells.seed.transform("count") > 1)
    )
    both = shared = 0.0
    pairs = 0
    for _, group in rows[usable].groupby("dataset"):
        logs = np.log(
            group.pivot_table(index="seed", columns=["architecture", "recipe"], values="capacity_ratio")
        )
        for a, b in itertools.combinations(logs.columns, 2):
            values = logs[[a, b]].dropna()
            if a[0] != b[0] and len(values) > 1:
                apart = (values - values.mean()).to_numpy()
                shared += float(apart[:, 0] @ apart[:, 1])
                both += float((apart**2).sum()) / 2
                pairs += 1
    text = " ".join((ROOT / "docs/noise.md").read_text().split())
    assert "the correlation of log R at the same seed is below 0.1" in text
    assert pairs > 500
    assert abs(shared / both) < 0.1
