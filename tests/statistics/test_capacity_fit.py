"""The capacity of an architecture, recovered from runs whose capacity was planted."""

import math
import subprocess
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from helpers import fork_server
from helpers.make_measurements import row, table
from helpers.run_workflow import ROOT, TIMEOUT
from knowledge_capacity.experiments import saturation
from knowledge_capacity.experiments.estimate import gpt2_required_parameters
from knowledge_capacity.files import UserError, write_parquet
from knowledge_capacity.measurements import learning_rates, measurement_table
from knowledge_capacity.report import writing
from knowledge_capacity.specs import Architecture, BioS, Junk, Pools, Quantizer, Recipe
from knowledge_capacity.statistics import capacities, extrapolation
from knowledge_capacity.statistics.capacity_fit import (
    Fit,
    Observation,
    fit_capacity,
    learned_bits,
    own_capacity,
)
from knowledge_capacity.statistics.intervals import Interval, interval_over_seeds

BITS = 24_000.0


def run(
    size: float, seed: int, capacity: float, sharpness: float = 4.0, bits_max: float = BITS
) -> Observation:
    """What a run of this capacity shows, with an error of its people of one per cent where it is not full."""
    bits = float(learned_bits(capacity, np.array(size), np.array(bits_max), sharpness))
    return Observation(f"{size:.0f}", seed, size, bits, bits_max, 0.01 * bits * (1 - bits / bits_max))


def runs(
    random: np.random.Generator,
    sizes: list[float],
    seeds: int,
    capacity: float = 2.0,
    spread: float = 0.1,
    sharpness: float = 4.0,
    own: float = 0.0,
) -> list[Observation]:
    """Runs whose capacities scatter by `spread`, and whose sizes are off by `own` as well."""
    off = {size: random.normal(0, own) for size in sizes}
    return [
        run(size, seed, capacity * math.exp(off[size] + random.normal(0, spread)), sharpness)
        for size in sizes
        for seed in range(seeds)
    ]


def test_the_curve_is_a_minimum_with_a_rounded_corner() -> None:
    sizes = np.array([1.0, 1e3, 1.2e4, 1e9])
    sharp = learned_bits(2.0, sizes, np.full(4, BITS), 32.0)
    assert sharp == pytest.approx(np.minimum(2 * sizes, BITS), rel=0.03)
    soft = learned_bits(2.0, sizes, np.full(4, BITS), 2.0)
    assert soft[2] == pytest.approx(BITS / math.sqrt(2))
    assert np.all(soft <= np.minimum(2 * sizes, BITS))


@pytest.mark.parametrize("sharpness", [1.0, 4.0, 20.0])
def test_a_run_tells_its_own_capacity(sharpness: float) -> None:
    for size in (100.0, 5e3, 9e3):
        one = run(size, 0, 2.0, sharpness)
        if not one.limited:
            own, share = own_capacity(one, sharpness)
            assert own == pytest.approx(math.log(2.0))
            more = run(size, 0, 2.0 * math.exp(1e-5), sharpness)
            assert math.log(more.bits / one.bits) / 1e-5 == pytest.approx(share, abs=1e-3)


def test_runs_far_below_their_datasets_give_the_interval_of_student() -> None:
    logs = [0.60, 0.70, 0.75, 0.90]
    found = fit_capacity([run(10.0, seed, math.exp(log), 32.0) for seed, log in enumerate(logs)])
    assert [math.log(x) for x in found.capacity] == pytest.approx(
        interval_over_seeds(logs, [0.0] * 4), abs=0.01
    )
    assert found.drift is None


@pytest.mark.parametrize(
    ("sizes", "seeds", "sharpness"),
    [([1e3, 2e3, 4e3], 2, 4.0), ([1e3, 4e3, 8e3, 16e3, 32e3], 2, 4.0), ([6e3, 8e3, 1e4], 2, 3.0)],
    ids=["free", "free to limited", "at the corner"],
)
def test_the_planted_capacity_is_in_its_interval(sizes: list[float], seeds: int, sharpness: float) -> None:
    """At the stated 95 %, within three standard errors of 80 simulations, or more often."""
    random, held, repeats = np.random.default_rng(len(sizes)), 0, 80
    for _ in range(repeats):
        found = fit_capacity(runs(random, sizes, seeds, sharpness=sharpness))
        held += found.capacity.low <= 2.0 <= found.capacity.high
    assert held / repeats > 0.95 - 0.073


def test_limited_runs_do_not_pull_the_capacity_down() -> None:
    random = np.random.default_rng(0)
    free = runs(random, [1e3, 2e3], 3)
    full = runs(random, [3e4, 6e4], 3)
    assert all(one.limited for one in full)
    assert not any(one.limited for one in free)
    alone, together = fit_capacity(free), fit_capacity(free + full)
    assert together.limited == 6
    assert together.capacity == pytest.approx(tuple(alone.capacity), rel=0.06)
    # but they say that it is no lower than what they show
    low = [Observation("x", s, 1e3, b, BITS) for s, b in enumerate((300.0, 3000.0))]
    more = [Observation("y", s, 1.1e4, 0.95 * BITS, BITS) for s in range(3)]
    assert fit_capacity(low + more).capacity.mean > 1.5 * fit_capacity(low).capacity.mean


def test_only_limited_runs_give_a_lower_bound() -> None:
    found = fit_capacity(runs(np.random.default_rng(0), [2e4, 4e4], 2))
    assert found.bound == "low"
    assert found.capacity.high == math.inf
    assert 0.8 * BITS / 2e4 < found.capacity.low <= BITS / 2e4
    assert "a lower bound only" in found.warnings[0]


def test_one_run_is_refused_and_runs_without_bits_are_left_out() -> None:
    with pytest.raises(UserError, match="two runs at least that have learned something, and here is 1"):
        fit_capacity([run(1e3, 0, 2.0), Observation("1", 0, 1e3, -5.0, BITS)])
    found = fit_capacity(
        [*runs(np.random.default_rng(0), [1e3, 2e3], 2), Observation("1", 0, 1e3, -5.0, BITS)]
    )
    assert (found.runs, found.nothing) == (4, 1)
    assert "learned nothing are left out (1)" in found.warnings[-1]


def test_a_capacity_that_depends_on_size_is_said_to() -> None:
    sizes = [500.0, 1e3, 2e3, 4e3]
    grown = [run(size, seed, (size / 1e3) ** 0.5 * (1 + 0.02 * seed)) for size in sizes for seed in (0, 1)]
    found = fit_capacity(grown)
    assert found.drift
    assert found.drift.low < math.sqrt(8) < found.drift.high
    assert any("Capacity grows with size" in said for said in found.warnings)
    steady = [fit_capacity(runs(np.random.default_rng(i), sizes, 2)) for i in range(40)]
    assert sum(bool(one.warnings) for one in steady) < 10  # two looks at five per cent
    # sizes that are off on their own are what is drawn, and widen the interval
    off = runs(np.random.default_rng(3), sizes, 3, spread=0.01, own=0.3)
    assert fit_capacity(off).differ
    span = np.ptp([math.log(one.ratio) for one in off])
    assert math.log(fit_capacity(off).capacity.high / fit_capacity(off).capacity.low) > span


def measured(
    width: int, ratio: float, seed: int, family: Literal["gpt2", "llama"] = "gpt2", people: int = 50
) -> dict[str, Any]:
    """A row of a model of 100 parameters for each of its width."""
    architecture = Architecture(2, 1, width, family=family)
    return row(ratio, architecture, seed, dataset=BioS(people), n_parameters=100 * width)


FAMILIES: tuple[tuple[Literal["gpt2", "llama"], float], ...] = (("gpt2", 0.8), ("llama", 0.5))
ROWS = [
    measured(width, ratio + 0.02 * seed, seed, family, people)
    for family, ratio in FAMILIES
    for width in (8, 16)
    for people in (50, 100)
    for seed in (0, 1)
]


def test_families_are_told_apart_whatever_their_size() -> None:
    muon = row(0.9, Architecture(2, 1, 8), recipe=Recipe(1000, 1e-3, optimizer="muon"))
    no_mlp = row(0.4, Architecture(2, 1, 8, mlp="none"))
    rows = capacities.select_usable_rows(table(*ROWS, muon, no_mlp))
    assert set(rows.design) == {"gpt2", "llama", "gpt2 muon", "gpt2-mlp-none"}
    found = capacities.fit_capacities(rows)
    gpt2, llama, alone = (found["bioS", name, 1000, "fp32"] for name in ("gpt2", "llama", "gpt2 muon"))
    assert isinstance(gpt2, Fit)
    assert isinstance(llama, Fit)
    assert gpt2.capacity.low < 0.81 < gpt2.capacity.high
    assert llama.capacity.high < gpt2.capacity.low
    assert isinstance(alone, str)
    said = capacities.format_fits(found)
    assert "bioS, gpt2 muon, 1000, fp32" in said
    assert "two runs at least" in said


def test_facts_of_one_kind_from_other_pools_or_templates_have_a_capacity_of_their_own() -> None:
    small = [
        row(0.3 + 0.01 * seed, Architecture(2, 1, 8), seed, dataset=dataset)
        for seed in (0, 1)
        for dataset in (BioS(50, templates=1), BioS(100, templates=1), BioS(50, pools=Pools(majors=16)))
    ]
    rows = capacities.select_usable_rows(table(*ROWS, *small))
    names = ["bioS", "bioS-templates1", BioS(50, pools=Pools(majors=16)).slug.replace("-50", "")]
    assert sorted(rows.data.unique()) == sorted(names)  # people alone are no other facts
    found = capacities.fit_capacities(rows)
    large, few = found["bioS", "gpt2", 1000, "fp32"], found["bioS-templates1", "gpt2", 1000, "fp32"]
    assert capacities.is_determined(large)
    assert capacities.is_determined(few)
    assert (large.runs, few.runs) == (8, 4)
    assert few.capacity.high < large.capacity.low
    assert set(capacities.select_main_data(rows).data) == {"bioS"}  # which has the largest model
    assert len(saturation.select_points(table(*ROWS, *small)).groupby(["data", "design"])) == 4


def test_an_interval_of_no_use_is_no_capacity() -> None:
    apart = fit_capacity([run(1e3, seed, capacity) for seed, capacity in enumerate((0.5, 2.0))])
    assert apart.capacity.high > 10 * apart.capacity.low
    assert not apart.determined
    assert not apart.shaped
    assert "lie more than 10 times apart. Add seeds or sizes." in apart.warnings[0]
    near = fit_capacity([run(1e3, seed, 2.0 + 0.1 * seed) for seed in range(4)])
    assert near.determined
    assert near.shaped
    said = capacities.format_fits(
        {("bioS", "a", 1, "fp32"): apart, ("bioS", "b", 1, "fp32"): near}
    ).splitlines()
    assert "not determined" in said[1]
    assert " to " not in said[1]
    assert " to " in said[2]
    few = {("bioS", "c", 1, "fp32"): fit_capacity([run(1e3, seed, 2.0) for seed in (0, 1)])}
    assert "%" not in capacities.format_fits(few).splitlines()[1]  # no spread of two runs


def test_the_figure_is_the_same_twice_and_its_table_has_the_fits(tmp_path: Path) -> None:
    rows = learning_rates.mark_best_learning_rates(measurement_table.build_table(ROWS))
    for name in ("one", "two"):
        writing.write_figure("saturation", rows, tmp_path / name)
    for ending in ("pdf", "svg", "png", "md"):
        assert (tmp_path / f"one.{ending}").read_bytes() == (tmp_path / f"two.{ending}").read_bytes()
    lines = (tmp_path / "one.md").read_text().splitlines()
    assert len(lines) == 4 + 2
    assert "| bioS | gpt2 | 1000 | 0.8" in lines[4]
    assert len(saturation.select_points(rows.to_pandas())) == len(ROWS)


def test_a_figure_without_any_fit_says_why(tmp_path: Path) -> None:
    rows = learning_rates.mark_best_learning_rates(measurement_table.build_table(ROWS[:1]))
    writing.write_figure("saturation", rows, tmp_path / "saturation", ["md"])
    assert "1000 exposures: not determined" in (tmp_path / "saturation.md").read_text()


def test_the_headline_is_a_division_and_says_how_far_it_goes() -> None:
    assert extrapolation.required_parameters(14e9, Interval(2.0, 1.4, 2.8)) == pytest.approx((7e9, 5e9, 10e9))
    assert extrapolation.required_parameters(1.0, Interval(2.0, 0.0, 4.0)).high == math.inf
    words = sum(extrapolation.WORDS.values())
    corpus = extrapolation.Corpus("all", words * extrapolation.BITS_PER_WORD, words)
    said = extrapolation.describe_estimate(
        corpus, extrapolation.DENSITIES, Interval(2.0, 2.0, 2.0), (1e5, 7e6)
    )
    assert "20.5 billion words" in said
    assert "At 2 bits per parameter, 7 billion parameters would hold them." in said
    assert "The answer lies about 1,000 times beyond the largest." in said
    assert "Measured were models of 100,000 to 7,000,000 parameters." in said
    assert "assumed, not measured" in said
    near = extrapolation.describe_estimate(
        extrapolation.Corpus("mine", 1e6), extrapolation.DENSITIES, Interval(2.0, 1.0, 4.0), (1e5, 7e6)
    )
    assert "500,000 (250,000 to 1 million) parameters" in near
    assert "beyond" not in near
    assert "assumed" not in near


@pytest.mark.parametrize(
    ("largest", "said"), [(4089, "1.7 million"), (7e8, "10"), (5.6e9, "1.2"), (3e5, "23,000")]
)
def test_how_far_beyond_is_told_in_two_figures(largest: float, said: str) -> None:
    one = Interval(2.0, 2.0, 2.0)
    text = extrapolation.describe_estimate(
        extrapolation.Corpus("The corpus", 14e9), (1.0, 1.0), one, (largest, largest)
    )
    assert f"lies about {said} times beyond" in text
    assert f"Measured were models of {largest:,.0f} parameters." in text  # one size, told once
    assert text.startswith("The corpus: 14 billion")


def test_one_size_is_said_to_be_one() -> None:
    single = fit_capacity([run(1e3, seed, 2.0 + 0.1 * seed) for seed in (0, 1)])
    assert single.warnings == ["One size only: whether C is the same at others, these runs cannot tell."]
    assert not fit_capacity([run(size, 0, 2.0) for size in (1e3, 1.5e3)]).warnings
    limited = fit_capacity([run(4e4, seed, 2.0) for seed in (0, 1)])
    assert len(limited.warnings) == 1  # a lower bound has its own remark


def estimate(*arguments: str, ok: bool = True) -> str:
    """What the command prints: its output, or its line of error."""
    done = subprocess.run(
        [fork_server.python(), str(ROOT / "scripts/commands/estimate.py"), *arguments],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert (done.returncode == 0) == ok, done.stderr
    return done.stdout if ok else done.stderr


def test_a_capacity_is_that_of_the_runs_of_its_experiment_where_there_are_any(tmp_path: Path) -> None:
    own = [{**one, "experiments": ["saturation", "estimate"]} for one in ROWS if one["family"] == "gpt2"]
    other = [{**one, "experiments": ["probes"]} for one in ROWS if one["family"] == "llama"]
    more = [{**measured(32, 2.0, seed, people=200), "experiments": ["probes"]} for seed in (0, 1)]
    file = tmp_path / "measurements.parquet"
    write_parquet(
        file, learning_rates.mark_best_learning_rates(measurement_table.build_table([*own, *other, *more]))
    )
    names = [sorted(one["run"] for one in some) for some in ((*own, *other), own)]
    assert sorted(capacities.select_capacity_rows(file, {}, "saturation", {}).run) == names[0]
    assert sorted(capacities.select_capacity_rows(file, {}, "estimate", {}, others=False).run) == names[1]
    assert sorted(
        capacities.select_capacity_rows(file, {"experiment": "probes"}, "estimate", {}).run
    ) == sorted(one["run"] for one in (*other, *more))
    assert sorted(capacities.select_capacity_rows(file, {"n_people": "200"}, "estimate", {}).run) == sorted(
        one["run"] for one in more
    )
    said = estimate(str(file))
    assert "The capacity is that of bioS, gpt2, 1000, fp32, by 8 runs." in said
    # as in the scorecard
    reading = gpt2_required_parameters(
        writing.experiment_rows("estimate", measurement_table.read_measurements(file))
    )
    assert f"{reading.value.mean / 1e9:.3g} billion" in said
    assert "8 runs" in reading.models


def test_the_published_estimate_is_that_of_the_scorecard() -> None:
    file = ROOT / "results/published/measurements.parquet"
    reading = gpt2_required_parameters(
        writing.experiment_rows("estimate", measurement_table.read_measurements(file))
    )
    assert f"{reading.value.mean / 1e9:.3g} billion" in estimate(str(file))


def test_the_estimate_is_of_plain_training_and_says_what_else_there_is(tmp_path: Path) -> None:
    gpt2 = Architecture(2, 1, 8)
    muon = Recipe(1000, 1e-3, optimizer="muon")
    others = [
        row(0.3, gpt2, seed, recipe=recipe)
        for seed in (0, 1)
        for recipe in (
            Recipe(1000, 1e-3, qat=Quantizer(3)),
            Recipe(1000, 1e-3, junk=Junk(people=9)),
        )
    ]
    rounded = [row(0.2, gpt2, seed, variant="int4-rtn") for seed in (0, 1)]
    file = tmp_path / "measurements.parquet"

    def write(rows: list[dict[str, Any]]) -> None:
        write_parquet(file, learning_rates.mark_best_learning_rates(measurement_table.build_table(rows)))

    write([*ROWS, *others, *rounded])
    said = estimate(str(file))
    assert "The capacity is that of bioS, gpt2, 1000, fp32, by 8 runs." in said
    assert not said.endswith("\n\n")
    recipe = Recipe(1000, 1e-3, qat=Quantizer(3)).slug
    assert "gpt2 qat-int3-rtn" in estimate(str(file), "--where", f"recipe={recipe}")
    assert "gpt2 qat-int3-rtn" in estimate(str(file), "--where", "qat=int3-rtn")
    assert "gpt2 junk 9 0.875 pure" in estimate(str(file), "--where", "junk_people=9")

    write([*ROWS, *(row(0.4, gpt2, seed, recipe=muon) for seed in (0, 1))])
    several = estimate(str(file), ok=False)
    assert "leaves several capacities: bioS, gpt2, 1000, fp32; bioS, gpt2 muon, 1000, fp32." in several
    assert "Add one of: optimizer=adamw, optimizer=muon." in several
    assert "gpt2 muon" in estimate(str(file), "--where", "optimizer=muon")
    unmet = estimate(str(file), "--where", "optimizer=muon", "family=llama", ok=False)
    assert "family=llama: no measurement with optimizer=muon. Known: gpt2." in unmet
    missing = estimate(str(file), "--where", "kind=bioS", "variant=int4-rtn", ok=False)
    assert "variant=int4-rtn: no measurement with kind=bioS. Known: fp32." in missing
    assert f"The file is {file}." in missing

    write(others)
    assert "all of these were trained with junk or at few bits" in estimate(str(file), ok=False)
    write([others[0]])
    alone = estimate(str(file), "--where", f"recipe={others[0]['recipe']}", ok=False)
    assert "fp32: there is no capacity. A capacity takes two runs" in alone


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--capacity inf", "--capacity inf: this is no amount"),
        ("--bits nan", "--bits nan: this is no amount"),
        ("--range 0 1", "--range 0: this is no amount"),
        ("--capacity 2 3 4", "--capacity 2 3 4: write one number, or three"),
        ("--capacity 2 2.3 1.8", "--capacity 2 2.3 1.8: write one number, or three"),
        ("--capacity 2 3", "--capacity 2 3: write one number, or three"),
        ("--capacity 2 --range 2 1", "--range 2 1: write the lower one first"),
        ("--bits 5 --words 2", "--words has no effect beside --bits"),
        ("--bits 5 --bits-per-word 2", "--bits-per-word has no effect beside --bits"),
        ("--bits 5 --range 1 2", "--range has no effect beside --bits"),
        ("--capacity 2 --where kind=bioS", "--where has no effect beside --capacity"),
    ],
)
def test_an_estimate_of_nonsense_is_refused(arguments: str, said: str) -> None:
    assert said in estimate(*arguments.split(), ok=False)


def test_the_range_follows_the_bits_of_a_word_and_the_end_is_the_end() -> None:
    said = estimate("--capacity", "2", "1.8", "2.3", "--words", "30", "--bits-per-word", "100")
    assert said.startswith("The corpus: 30 words, taken to hold 100.00 bits")
    assert "At 2 (1.8 to 2.3) bits per parameter, 1,500 " in said
    assert "At 50.00 bits a word" in said
    assert "at 200.00, " in said
    assert said.endswith("parameters.\n")


def test_figures_call_data_by_its_kind_where_that_is_enough() -> None:
    names = capacities.shorten_data_names(["bioS-poolsa", "bioS-poolsb", "bioD-poolsa", "bioD-poolsa"])
    assert names == {"bioS-poolsa": "bioS-poolsa", "bioS-poolsb": "bioS-poolsb", "bioD-poolsa": "bioD"}
