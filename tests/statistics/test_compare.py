"""Which measurements are paired, and what is said of the pairs."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from helpers import fork_server
from helpers.make_measurements import DATASET, row, table
from helpers.run_workflow import ROOT, TIMEOUT
from knowledge_capacity.files import UserError, write_parquet
from knowledge_capacity.measurements import columns, filters, measurement_table
from knowledge_capacity.measurements.measurement_table import SCHEMA
from knowledge_capacity.specs import Architecture, BioS, Junk, Quantizer, Recipe
from knowledge_capacity.statistics import compare, one_sided, pairing
from knowledge_capacity.statistics.intervals import student_quantile

GPT2, LLAMA = (lambda w: Architecture(2, 1, w)), (lambda w: Architecture(2, 1, w, family="llama"))
MUON = Recipe(1000, 1e-3, optimizer="muon")


def both(ratios: tuple[float, ...], others: tuple[float, ...], width: int = 8) -> pd.DataFrame:
    """GPT-2 and LLaMA of one width with these R, a seed each."""
    return table(
        *(row(r, GPT2(width), seed, n_parameters=1000 + width) for seed, r in enumerate(ratios)),
        *(row(r, LLAMA(width), seed, n_parameters=1000 + width) for seed, r in enumerate(others)),
    )


def pairs(rows: pd.DataFrame, a: filters.Conditions, b: filters.Conditions) -> list[pairing.Pair]:
    return pairing.pair_measurements(rows, a, b).units


FAMILIES = ({"family": "gpt2"}, {"family": "llama"})


def test_conditions_name_what_there_is() -> None:
    assert filters.parse_conditions(["family=gpt2", "lr=1e-3"], "--a") == {"family": "gpt2", "lr": "1e-3"}
    with pytest.raises(UserError, match=r"--a gpt2: this is no condition\. Write FIELD=VALUE"):
        filters.parse_conditions(["gpt2"], "--a")
    with pytest.raises(UserError, match=r"there is no field famly\. Did you mean 'family'\?"):
        filters.parse_conditions(["famly=gpt2"], "--a")
    with pytest.raises(UserError, match="family stands here twice"):
        filters.parse_conditions(["family=a", "family=b"], "--a")
    rows = both((0.5,), (0.4,))
    assert len(filters.select_measurements(rows, {"lr": "0.001", "width": "8.0"}, "--a")) == 2
    with pytest.raises(UserError, match=r"--a family=lama: no measurement. Did you mean 'llama'\?"):
        filters.select_measurements(rows, {"family": "lama"}, "--a")
    with pytest.raises(UserError, match=r"--a width=9: .* Known: 8."):
        filters.select_measurements(rows, {"width": "9"}, "--a")
    with pytest.raises(UserError, match=r"--a width=9: no measurement with family=gpt2\. Known: 8"):
        filters.select_measurements(rows, {"family": "gpt2", "width": "9"}, "--a")
    with pytest.raises(UserError, match=r"--a kind=bioD \(the default\): no measurement with family=gpt2\. "):
        filters.select_measurements(rows, {"family": "gpt2"}, "--a", {"family": "llama", "kind": "bioD"})


def test_what_there_is_can_be_asked_for_as_the_example_says() -> None:
    rows = table(*(row(r, GPT2(8), variant=v) for v, r in (("fp32", 0.5), ("int4-rtn", 0.4))))
    said = filters.describe_choices(rows).splitlines()
    assert said[said.index("variant") + 1 :] == [
        "  fp32",
        "  int4-rtn",
        "seed",
        "  0",
        "",
        "For example: --a variant=int4-rtn --b variant=fp32",
    ]
    assert set(filters.FIELDS) <= set(filters.FIELDS_HELP.replace(",", "").split())


def test_sizes_of_families_are_paired_by_seed() -> None:
    rows = pd.concat([both((0.5, 0.6), (0.4, 0.3), w) for w in (8, 16)]).iloc[::-1]
    units = pairs(rows, *FAMILIES)
    assert [unit.shared["width"] for unit in units] == ["8", "16"]
    for unit in units:
        assert list(unit.a.seed) == list(unit.b.seed) == [0, 1]
        assert list(unit.a.capacity_ratio) == [0.5, 0.6]
        assert not unit.apart
    assert len(compare.format_pair_table(units).splitlines()) == 3


def test_bits_can_be_counted_for_each_stored_byte() -> None:
    """Half of the knowledge in an eighth of the bytes is four times as many bits a byte."""
    rows = table(
        *(row(r, GPT2(8), seed, variant=v) for v, r in (("fp32", 0.6), ("int4-rtn", 0.3)) for seed in (0, 1))
    )
    rows["bits_per_weight"] = rows.variant.map({"fp32": 32.0, "int4-rtn": 4.0})
    units = pairs(columns.count_stored_bytes(rows), {"variant": "int4-rtn"}, {"variant": "fp32"})
    (unit,) = units
    assert list(unit.a.capacity_ratio) == [0.6, 0.6]
    assert list(unit.b.capacity_ratio) == [0.15, 0.15]
    found = compare.ratio_interval(units)
    assert found
    assert found.mean == pytest.approx(4)
    assert "stores more bits per byte than b" in compare.describe_verdict(units, "a", "b", per="byte")
    assert compare.format_pair_table(units, "bytes").split()[0] == "bytes"


def test_a_seed_without_partner_and_a_run_that_diverged_are_left_out() -> None:
    rows = table(
        *(row(0.5, GPT2(8), seed) for seed in (0, 1, 2)),
        row(0.4, LLAMA(8), 1),
        row(0.0, LLAMA(8), 2, diverged="the loss is nan"),
    )
    (unit,) = pairs(rows, *FAMILIES)
    assert list(unit.a.seed) == [1]


def test_each_side_has_its_best_rate() -> None:
    fast = Recipe(1000, 2e-3)
    rows = table(
        row(0.5, GPT2(8)), row(0.3, GPT2(8), recipe=fast), row(0.2, LLAMA(8)), row(0.4, LLAMA(8), recipe=fast)
    )
    (unit,) = pairs(rows, *FAMILIES)
    assert (unit.a.capacity_ratio.iloc[0], unit.b.capacity_ratio.iloc[0]) == (0.5, 0.4)
    (unit,) = pairs(rows, {"lr": "1e-3", "family": "gpt2"}, {"lr": "2e-3", "family": "gpt2"})
    assert (unit.a.capacity_ratio.iloc[0], unit.b.capacity_ratio.iloc[0]) == (0.5, 0.3)


def test_the_best_rate_is_the_best_that_both_sides_have() -> None:
    rates = {1e-3: 0.5, 2e-3: 0.6, 4e-3: 0.7}
    recipes = {lr: Recipe(1000, lr) for lr in rates}
    trained = [row(r + 0.01 * s, GPT2(8), s, recipe=recipes[lr]) for lr, r in rates.items() for s in (0, 1)]
    rounded = [
        row(0.3, GPT2(8), s, recipe=recipes[lr], variant="int4-rtn") for lr in (1e-3, 2e-3) for s in (0, 1)
    ]
    # of the runs with most, at full precision, none was quantised
    found = pairing.pair_measurements(table(*trained, *rounded), {"variant": "int4-rtn"}, {"variant": "fp32"})
    (unit,) = found.units
    assert set(unit.a.lr) == set(unit.b.lr) == {2e-3}
    assert unit.seeds == 2
    assert found.lacking == 1
    assert found.runs == (4, 6)
    assert found.left_out == {pairing.OTHER_RATE: (2, 4)}
    said = compare.describe_run_counts(found, "a", "b")
    assert "a: 4 runs, 2 compared. Left out: 2 at another learning rate" in said
    assert "In 1 pair the best learning rate of one side was not measured on the other" in said
    # without a rate in common, each has its own
    (unit,) = pairs(table(*trained, row(0.4, LLAMA(8), recipe=Recipe(1000, 8e-3))), *FAMILIES)
    assert (unit.a.lr.iloc[0], unit.b.lr.iloc[0]) == (4e-3, 8e-3)
    # a rate that diverged is no best one
    diverged = row(0.0, GPT2(8), 1, recipe=recipes[2e-3], diverged="the loss is nan")
    rows = table(*(one for one in trained if (one["lr"], one["seed"]) != (2e-3, 1)), diverged, *rounded)
    (unit,) = pairs(rows, {"variant": "int4-rtn"}, {"variant": "fp32"})
    assert set(unit.a.lr) == {1e-3}


def test_every_run_that_is_left_out_is_counted_with_its_reason() -> None:
    few = Recipe(1000, 1e-3, qat=Quantizer(3))
    noisy = Recipe(1000, 1e-3, junk=Junk(people=9))
    rows = table(
        *(row(0.5, GPT2(8), seed) for seed in (0, 1, 2)),
        row(0.5, GPT2(16)),
        *(row(0.4, make(8), recipe=recipe) for make in (GPT2, LLAMA) for recipe in (few, noisy)),
        *(row(0.4, LLAMA(8), seed) for seed in (0, 3)),
        row(0.0, LLAMA(8), 2, diverged="the loss is nan"),
    )
    found = pairing.pair_measurements(rows, *FAMILIES)
    assert [unit.seeds for unit in found.units] == [1]
    assert found.runs == (6, 5)
    assert found.left_out == {
        pairing.DIVERGED: (0, 1),
        pairing.NO_PARTNER: (1, 0),
        pairing.NO_SEED: (2, 1),
        "trained at few bits (qat)": (1, 1),
        "trained with junk": (1, 1),
    }
    said = compare.describe_run_counts(found, "GPT-2", "LLaMA").splitlines()
    assert said[0].startswith("GPT-2: 6 runs, 1 compared. Left out: ")
    assert "2 without a partner of the same seed" in said[0]
    assert "1 diverged" in said[1]
    # as soon as they are asked for, they count
    for asked in ({"qat": "int3-rtn"}, {"recipe": few.slug}):
        (unit,) = pairing.pair_measurements(
            filters.select_measurements(rows, asked, "--where"), *FAMILIES, where=asked
        ).units
        assert set(unit.a.recipe) == {few.slug}
    sides = ({"family": "gpt2", "junk_people": "9"}, {"family": "llama", "junk_people": "9"})
    assert len(pairs(rows, *sides)) == 1
    with pytest.raises(
        UserError, match=r"all of these were trained with junk or at few bits\. Add qat=, junk"
    ):
        pairs(rows[rows.junk_share > 0], *FAMILIES)


def test_what_else_differs_is_said() -> None:
    rows = table(row(0.5, GPT2(8)), row(0.4, GPT2(8), recipe=Recipe(100, 1e-3, batch_size=12)))
    units = pairs(rows, {"exposures": "1000"}, {"exposures": "100"})
    assert units[0].apart == {"batch_size": ("192", "12")}
    assert "They differ in batch_size (192 and 12) as well." in compare.describe_verdict(units, "a", "b")
    other = BioS(n_people=100)
    more = table(
        row(0.5, GPT2(8), dataset=other),
        row(0.4, GPT2(8), recipe=Recipe(100, 1e-3, batch_size=9), dataset=other),
    )
    units = pairs(pd.concat([rows, more]), {"exposures": "1000"}, {"exposures": "100"})
    # once for the field, whatever the number of its pairs of values
    assert "They differ in batch_size (192 and 9; 192 and 12) as well." in compare.describe_verdict(
        units, "a", "b"
    )


def test_selections_that_cannot_be_compared() -> None:
    rows = both((0.5,), (0.4,))
    with pytest.raises(UserError, match="ask for the same measurements"):
        pairs(rows, {"family": "gpt2"}, {"architecture": "gpt2-2-1-d8"})
    other = table(row(0.5, GPT2(8)), row(0.4, LLAMA(8), recipe=MUON))
    with pytest.raises(UserError, match="share no recipe: optimizer is adamw in --a and muon in --b"):
        pairs(other, *FAMILIES)
    crossed = table(
        row(0.5, GPT2(8)),
        row(0.5, GPT2(8), recipe=MUON, dataset=BioS(100)),
        row(0.4, LLAMA(8), recipe=MUON),
        row(0.4, LLAMA(8), dataset=BioS(100)),
    )
    with pytest.raises(UserError, match="no measurement of --a has a partner in --b"):
        pairs(crossed, *FAMILIES)
    with pytest.raises(UserError, match=r"no seed of --a \(0\) is one of --b \(1\)"):
        pairs(table(row(0.5, GPT2(8), 0), row(0.4, LLAMA(8), 1)), *FAMILIES)
    several = table(row(0.5, GPT2(8)), row(0.5, Architecture(2, 1, 8, tied=False)), row(0.4, LLAMA(8)))
    with pytest.raises(
        UserError, match=r"--a leaves architecture open: there are gpt2-2-1-d8, gpt2-2-1-d8-un"
    ):
        pairs(several, *FAMILIES)


def test_only_the_fields_that_differ_are_named() -> None:
    fast = [Recipe(exposures, 2e-3, batch_size=4) for exposures in (100, 50)]
    rows = table(*(row(0.5, GPT2(8), recipe=recipe) for recipe in (*fast, Recipe(1000, 1e-3))))
    with pytest.raises(UserError) as error:
        pairs(rows, {"lr": "2e-3"}, {"lr": "1e-3"})
    assert str(error.value) == (
        "--a and --b share no recipe: exposures is 50, 100 in --a and 1000 in --b; batch_size is 4 in --a and 192 in "
        "--b. Name the recipe of each, if it may differ: recipe=NAME."
    )


def test_sides_that_are_no_question_are_refused() -> None:
    rows = table(
        row(0.5, GPT2(8)),
        row(0.4, GPT2(8), variant="int4-rtn"),
        row(0.3, GPT2(8), dataset=BioS(100)),
        row(0.2, GPT2(8), variant="int4-rtn", dataset=BioS(100)),
    )
    with pytest.raises(
        UserError, match=r"--a n_people=100: --b leaves n_people open\. Write n_people=… for --b"
    ):
        pairs(rows, {"n_people": "100"}, {"variant": "int4-rtn"})
    with pytest.raises(UserError, match="--b family=gpt2: --a leaves family open"):
        pairs(rows, {"width": "8"}, {"family": "gpt2", "width": "8"})
    assert len(pairs(rows, {"variant": "int4-rtn"}, {"variant": "fp32"})) == 2
    with pytest.raises(UserError, match=r"--a seed=0: seeds are what is paired, so they cannot be compared"):
        pairs(rows, {"seed": "0"}, {"seed": "1"})
    with pytest.raises(UserError, match=r"--b seed=0: seeds are what is paired"):
        pairs(rows, {"variant": "int4-rtn"}, {"variant": "fp32", "seed": "0"})


def test_answers_are_compared_with_answers_alone() -> None:
    asked = {"accuracy_by_attribute": [("major", 0.5)]}
    rows = table(
        row(0.5, GPT2(8)),
        {**row(0.4, GPT2(8), variant="questions"), **asked},
        {**row(0.3, GPT2(8), variant="questions-rank2"), **asked},
    )
    with pytest.raises(UserError, match=r"--a variant=questions: answers to questions tell of values alone"):
        pairs(rows, {"variant": "questions"}, {"variant": "fp32"})
    assert len(pairs(rows, {"variant": "questions"}, {"variant": "questions-rank2"})) == 1
    assert "For example" not in filters.describe_choices(
        rows[rows.variant != "questions"]
    )  # of fp32 and answers


def test_the_verdict_is_a_rule() -> None:
    def said(rows: pd.DataFrame) -> str:
        return compare.describe_verdict(pairs(rows, *FAMILIES), "GPT-2", "LLaMA")

    assert "In this setting GPT-2 stores more bits" in said(both((0.80, 0.82, 0.81), (0.5, 0.52, 0.51)))
    assert "GPT-2 stores fewer bits" in said(both((0.5, 0.52, 0.51), (0.80, 0.82, 0.81)))
    wide = said(both((0.7, 0.5), (0.5, 0.6)))
    assert "No difference is shown" in wide
    assert "about" in wide
    tiny = both((0.500, 0.501, 0.502), (0.505, 0.506, 0.507))
    tiny["bits_learned_low"] = tiny["bits_learned_high"] = tiny["bits_learned"]
    assert "by less than a factor of 1.1" in said(tiny)
    one = said(both((0.8,), (0.5,)))
    assert "With this seed, and perhaps not with another, GPT-2 stores more" in one
    beyond = said(both((0.5,), (-0.1,)))
    assert "LLaMA learned nothing, with some seed at least: the ratio there is beyond any number." in beyond
    assert "GPT-2 stores more" in beyond
    assert "There is no ratio" in said(both((-0.1,), (-0.1,)))
    full = DATASET.bits_max / 1000
    limited = said(both((0.95 * full,), (0.5,)))
    assert "No verdict: the dataset is too small for GPT-2." in limited


def test_limited_and_empty_pairs_do_not_count() -> None:
    full = DATASET.bits_max / 1000
    rows = pd.concat([both((0.8, 0.8), (0.4, 0.4)), both((0.95 * full,) * 2, (0.9, 0.9), 16)])
    rows = pd.concat([rows, both((0.5, 0.5), (-0.1, 0.1), 32)])
    said = compare.describe_verdict(pairs(rows, *FAMILIES), "a", "b")
    assert said.startswith("ratio of a to b: 2.000, ")
    assert "Left out: 1 pair that the dataset limits." in said
    assert "In 1 pair b learned nothing, with some seed at least: the ratio there is at least 0" in said
    assert "No difference is shown: with the pairs in which one of them learned nothing" in said
    nothing = both((-0.1, 0.5), (-0.1, 0.5), 64)
    said = compare.describe_verdict(pairs(pd.concat([rows, nothing]), *FAMILIES), "a", "b")
    assert "In 1 pair b learned nothing" in said  # a pair counts once
    assert "Left out: 1 pair where each of them learned nothing." in said
    mixed = pd.concat([both((0.5, 0.51), (0.5, 0.51)), both((0.9, 0.92), (0.3, 0.31), 16)])
    assert "differs from pair to pair" in compare.describe_verdict(pairs(mixed, *FAMILIES), "a", "b")


def test_a_side_that_learned_nothing_gives_a_bound() -> None:
    rows = pd.concat(
        [both((-0.1, -0.12, -0.11), (0.5, 0.52, 0.51)), both((0.2, 0.21, 0.2), (0.5, 0.52, 0.5), 16)]
    )
    units = pairs(rows, *FAMILIES)
    alone, other = ([unit] for unit in units)
    assert one_sided.ratio_upper_bound(alone) == 0  # below zero, and surely so
    middle = compare.ratio_interval(other)
    assert middle is not None
    assert one_sided.ratio_lower_bound(other) <= middle.mean <= one_sided.ratio_upper_bound(other)
    lines = compare.format_pair_table(units).splitlines()
    assert "at most 0.000" in lines[1]
    assert lines[1].endswith("learned nothing: a")
    said = compare.describe_verdict(units, "a", "b")
    assert "where both learned something)" in said
    assert "In 1 pair a learned nothing, with some seed at least: the ratio there is at most 0.000." in said
    assert "a stores fewer bits per parameter than b" in said
    said = compare.describe_verdict(alone, "a", "b")
    assert "a stores fewer bits per parameter than b" in said
    assert "There is no ratio" not in said
    turned = compare.describe_verdict(pairs(rows, *FAMILIES[::-1]), "b", "a")
    assert "b stores more bits per parameter than a" in turned
    # more by the pairs with a ratio is not more where others have none
    mixed = pd.concat([both((-0.1, -0.12), (0.5, 0.52)), both((0.9, 0.92), (0.5, 0.51), 16)])
    assert "No difference is shown: with the pairs in which" in compare.describe_verdict(
        pairs(mixed, *FAMILIES), "a", "b"
    )
    # and seeds too far apart tell nothing
    vague = both((-0.1, 0.3), (0.1, 0.9))
    assert one_sided.ratio_upper_bound(pairs(vague, *FAMILIES)) == np.inf
    assert "not determined" in compare.format_pair_table(pairs(vague, *FAMILIES))
    assert "There is no ratio" in compare.describe_verdict(pairs(vague, *FAMILIES), "a", "b")


@pytest.mark.parametrize("truth", [0.0, 0.1, 0.8])
def test_the_true_ratio_is_below_its_bound(truth: float) -> None:
    random, repeats, held = np.random.default_rng(2), 200, 0
    units = pairs(pd.concat([both((1.0,) * 3, (1.0,) * 3, w) for w in (8, 16)]), *FAMILIES)
    for _ in range(repeats):
        for unit in units:
            for side, mean in ((unit.a, truth), (unit.b, 1.0)):
                side["capacity_ratio"] = mean + random.normal(0, 0.2, 3)
        held += truth <= one_sided.ratio_upper_bound(units)
    assert held / repeats == pytest.approx(0.975, abs=0.035)


def test_an_interval_of_a_pair_that_says_nothing_is_not_shown() -> None:
    wide = pairs(both((0.01, 0.9), (0.5, 0.5)), *FAMILIES)
    assert "[not determined]" in compare.format_pair_table(wide)
    assert "a to b: 0.190, not determined: the ends" in compare.describe_verdict(wide, "a", "b")
    narrow = pairs(both((0.4, 0.5), (0.5, 0.5)), *FAMILIES)
    assert "not determined" not in compare.format_pair_table(narrow) + compare.describe_verdict(
        narrow, "a", "b"
    )


@pytest.mark.parametrize(
    ("ratio", "shown"),
    [
        (0.9996, "0.9996"),
        (1.00003, "1.00003"),
        (0.99951, "0.9995"),
        (1.0, "1.000"),
        (0.5, "0.500"),
        (18.04, "18.0"),
    ],
)
def test_on_which_side_of_1_an_end_lies_is_shown(ratio: float, shown: str) -> None:
    assert compare.format_near_one(ratio) == shown


def test_a_verdict_shows_the_interval_that_it_rests_on() -> None:
    rows = both((0.4998, 0.49985, 0.4999), (0.5, 0.5, 0.5))
    rows["bits_learned_low"] = rows["bits_learned_high"] = rows["bits_learned"]
    units = pairs(rows, *FAMILIES)
    said = compare.describe_verdict(units, "a", "b")
    assert "a stores fewer bits" in said
    assert "interval 0.999 to 0.9999 (" in said
    assert "[0.999, 0.9999]" in compare.format_pair_table(units)


def test_variants_of_one_run_share_their_people() -> None:
    ratios = {(seed, variant): 0.5 + 0.1 * seed for seed in (0, 1) for variant in ("fp32", "int8-rtn")}
    ratios[1, "int8-rtn"] -= 0.003
    rows = table(*(row(r, GPT2(8), s, error=0.05, variant=v) for (s, v), r in ratios.items()))
    found = compare.ratio_interval(pairs(rows, {"variant": "fp32"}, {"variant": "int8-rtn"}))
    assert found
    assert found.high / found.low < 1.08  # twelve per cent by people, were they others for each variant
    single = pairs(rows[rows.seed == 0], {"variant": "fp32"}, {"variant": "int8-rtn"})
    alone = compare.ratio_interval(single)
    assert alone
    assert alone.high / alone.low > 1.5


@pytest.mark.parametrize("truth", [1.0, 1.3])
def test_the_ratio_of_sizes_and_seeds_is_in_its_interval(truth: float) -> None:
    random, repeats, held = np.random.default_rng(0), 250, 0
    template = pairs(pd.concat([both((1.0,) * 3, (1.0,) * 3, w) for w in (8, 16)]), *FAMILIES)
    for _ in range(repeats):
        for unit in template:
            for side, mean in ((unit.a, truth), (unit.b, 1.0)):
                side["capacity_ratio"] = mean * np.exp(random.normal(0, 0.1, 3))
                side["bits_learned"] = 1000 * side.capacity_ratio
        found = compare.ratio_interval(template)
        assert found
        held += found.low <= truth <= found.high
    assert held / repeats == pytest.approx(0.95, abs=0.055)


def test_as_many_seeds_as_are_needed_find_the_margin_four_times_in_five() -> None:
    logs = np.array([-0.1, 0.0, 0.1])
    units = pairs(both(tuple(0.5 * np.exp(logs)), (0.5,) * 3), *FAMILIES)
    needed = compare.seeds_needed(units, 1.15)
    assert needed
    assert needed > 3
    random = np.random.default_rng(1)
    draws = random.normal(np.log(1.15), 0.1, (4000, needed))
    t = draws.mean(axis=1) / (draws.std(axis=1, ddof=1) / np.sqrt(needed))
    assert np.mean(t > student_quantile(needed - 1)) > 0.8 - 0.02
    fewer = draws[:, : needed - 1]
    t = fewer.mean(axis=1) / (fewer.std(axis=1, ddof=1) / np.sqrt(needed - 1))
    assert np.mean(t > student_quantile(needed - 2)) < 0.8 + 0.02
    assert compare.seeds_needed(pairs(both((0.5,), (0.4,)), *FAMILIES), 1.1) is None


def write(file: Path, rows: pa.Table) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    write_parquet(file, rows)
    return file


def test_a_file_is_called_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def said(path: str | Path) -> str:
        with pytest.raises(UserError) as error:
            measurement_table.read_measurements(Path(path))
        return str(error.value)

    monkeypatch.chdir(tmp_path)
    missing = (
        "results/measurements.parquet: there is no such file. Run `make study` first, or name another file."
    )
    assert said("results/measurements.parquet") == missing
    Path("results").mkdir()
    folder = "results: this is a folder. Name a file, such as results/measurements.parquet."
    assert said("results") == folder

    # what the workflow makes may be deleted, and nothing else
    made = [
        "results/measurements.parquet",
        "results/runs/a/b/c/seed0/measurements.parquet",
        "results/runs/a/b/c/seed0/extraction.parquet",
    ]
    sound = ["results/error_budget.json", "results/published/measurements.parquet", "elsewhere.txt"]
    old = pa.table({"seed": [0]})
    for name in [*made, *sound]:
        write(Path(name), old.replace_schema_metadata({"measurements": "3"}))
        version = said(name)
        assert "measurements of version 3, and this code reads versions 4 to 6." in version
        write(Path(name), old)
        other = said(name)
        assert "a Parquet file that was not written as measurements" in other
        Path(name).write_text("no Parquet")
        damaged = said(name)
        assert "not a readable Parquet file" in damaged
        for message in (version, other, damaged):
            assert ("Delete it and make it again: snakemake" in message) == (name in made)
    training = "results/runs/a/b/c/seed0/training.parquet"
    write(Path(training), old)
    assert "Delete" not in said(training)
    assert said(tmp_path / made[0]).endswith(f"snakemake --cores 1 {made[0]}")  # by its whole path, too


def test_a_file_without_a_row_is_the_same_to_every_command(tmp_path: Path) -> None:
    file = str(write(tmp_path / "none.parquet", SCHEMA.empty_table()))
    expected = f"{file}: there is not one measurement in it. Run `make study`, or name another file.\n"
    sides = ("--a", "family=gpt2", "--b", "family=llama")
    for script, *arguments in (("capacity", file), ("estimate", file), ("compare", file, *sides)):
        assert command(script, *arguments, ok=False) == f"{script}: {expected}"
    assert command("search", "--replay", file, ok=False) == f"search: {expected}"
    asked = {**row(0.4, GPT2(8), variant="questions"), "accuracy_by_attribute": [("major", 0.5)]}
    file = str(write(tmp_path / "answers.parquet", measurement_table.build_table([asked])))
    assert "none of these measurements tells of a capacity" in command(
        "capacity", file, "--where", "variant=questions", ok=False
    )


def command(script: str, *arguments: str, ok: bool = True) -> str:
    """What a script prints: its output, or its one line of error."""
    done = subprocess.run(
        [fork_server.python(), str(ROOT / f"scripts/commands/{script}.py"), *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        timeout=TIMEOUT,
        check=False,
    )
    assert (done.returncode == 0) == ok, done.stderr
    return done.stdout if ok else done.stderr


def test_the_commands_say_what_the_measurements_say(tmp_path: Path) -> None:
    other = BioS(n_people=100)
    rows = [
        row(ratio + 0.01 * seed, make(8 * size), seed, dataset=dataset, n_parameters=500 * size)
        for make, ratio in ((GPT2, 0.8), (LLAMA, 0.4))
        for seed in (0, 1)
        for size in (1, 2)
        for dataset in (DATASET, other)
    ]
    made = pa.Table.from_pandas(table(*rows), schema=SCHEMA, preserve_index=False)
    file = write(tmp_path / "measurements.parquet", made)
    said = command(
        "compare", str(file), "--a", "family=gpt2", "--b", "family=llama", "--where", "n_people=50"
    )
    assert "In this setting family gpt2 stores more bits per parameter than family llama." in said
    lopsided = command("compare", str(file), "--a", "family=gpt2", "--b", "variant=fp32", ok=False)
    assert "--b leaves family open" in lopsided
    unknown = command("compare", str(file), "--a", "family=gpt", "--b", "family=llama", ok=False)
    assert "Did you mean 'gpt2'?" in unknown
    assert "give both --a and --b" in command("compare", str(file), "--a", "family=gpt2", ok=False)
    assert "For example: --a architecture=" in command("compare", str(file))
    assert "  recipe, exposures, lr," in command("compare", "--help")
    fitted = command("capacity", str(file))
    assert "bioS, gpt2, 1000, fp32" in fitted
    assert "bioS, llama, 1000, fp32" in fitted
    estimated = command("estimate", str(file))
    assert "17." in estimated  # 14 billion bits at a little more than 0.8
    assert "billion parameters" in estimated.replace(")", "")
    replayed = command("search", "--replay", str(file), "--where", "family=gpt2", "--within", "0.3")
    assert "of 8 runs" in replayed
    assert "Give --architectures" in command("search", ok=False)
