"""Which measurements are paired, and what is said of the pairs."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from knowledge_capacity.capacity import compare, pairing
from knowledge_capacity.capacity.measurement import SCHEMA
from knowledge_capacity.capacity.seeds import student
from knowledge_capacity.files import UserError, write_parquet
from knowledge_capacity.specs import Architecture, BioS, Recipe
from tables import DATASET, row, table
from workflow import ROOT

GPT2, LLAMA = (lambda w: Architecture(2, 1, w)), (lambda w: Architecture(2, 1, w, family="llama"))
MUON = Recipe(1000, 1e-3, optimizer="muon")


def both(ratios: tuple[float, ...], others: tuple[float, ...], width: int = 8) -> pd.DataFrame:
    """GPT-2 and LLaMA of one width with these R, a seed each."""
    return table(
        *(row(r, GPT2(width), seed, n_parameters=1000 + width) for seed, r in enumerate(ratios)),
        *(row(r, LLAMA(width), seed, n_parameters=1000 + width) for seed, r in enumerate(others)),
    )


FAMILIES = ({"family": "gpt2"}, {"family": "llama"})


def test_conditions_name_what_there_is() -> None:
    assert pairing.conditions(["family=gpt2", "lr=1e-3"], "--a") == {"family": "gpt2", "lr": "1e-3"}
    with pytest.raises(UserError, match=r"--a gpt2: this is no condition\. Write FIELD=VALUE"):
        pairing.conditions(["gpt2"], "--a")
    with pytest.raises(UserError, match=r"there is no field famly\. Did you mean 'family'\?"):
        pairing.conditions(["famly=gpt2"], "--a")
    with pytest.raises(UserError, match="family stands here twice"):
        pairing.conditions(["family=a", "family=b"], "--a")
    rows = both((0.5,), (0.4,))
    assert len(pairing.select(rows, {"lr": "0.001", "width": "8.0"}, "--a")) == 2
    with pytest.raises(UserError, match=r"--a family=lama: no measurement. Did you mean 'llama'\?"):
        pairing.select(rows, {"family": "lama"}, "--a")
    with pytest.raises(UserError, match=r"--a width=9: .* Known: 8."):
        pairing.select(rows, {"width": "9"}, "--a")


def test_sizes_of_families_are_paired_by_seed() -> None:
    rows = pd.concat([both((0.5, 0.6), (0.4, 0.3), w) for w in (8, 16)]).iloc[::-1]
    units = pairing.pairs(rows, *FAMILIES)
    assert [unit.shared["width"] for unit in units] == ["8", "16"]
    for unit in units:
        assert list(unit.a.seed) == list(unit.b.seed) == [0, 1]
        assert list(unit.a.capacity_ratio) == [0.5, 0.6]
        assert not unit.apart
    assert len(compare.table(units).splitlines()) == 3


def test_a_seed_without_partner_and_a_run_that_diverged_are_left_out() -> None:
    rows = table(
        *(row(0.5, GPT2(8), seed) for seed in (0, 1, 2)),
        row(0.4, LLAMA(8), 1),
        row(0.0, LLAMA(8), 2, diverged="the loss is nan"),
    )
    (unit,) = pairing.pairs(rows, *FAMILIES)
    assert list(unit.a.seed) == [1]


def test_each_side_has_its_best_rate() -> None:
    fast = Recipe(1000, 2e-3)
    rows = table(
        row(0.5, GPT2(8)), row(0.3, GPT2(8), recipe=fast), row(0.2, LLAMA(8)), row(0.4, LLAMA(8), recipe=fast)
    )
    (unit,) = pairing.pairs(rows, *FAMILIES)
    assert (unit.a.capacity_ratio.iloc[0], unit.b.capacity_ratio.iloc[0]) == (0.5, 0.4)
    (unit,) = pairing.pairs(rows, {"lr": "1e-3", "family": "gpt2"}, {"lr": "2e-3", "family": "gpt2"})
    assert (unit.a.capacity_ratio.iloc[0], unit.b.capacity_ratio.iloc[0]) == (0.5, 0.3)


def test_what_else_differs_is_said() -> None:
    rows = table(row(0.5, GPT2(8)), row(0.4, GPT2(8), recipe=Recipe(100, 1e-3, batch_size=12)))
    units = pairing.pairs(rows, {"exposures": "1000"}, {"exposures": "100"})
    assert units[0].apart == {"batch_size": ("192", "12")}
    assert "They differ in batch_size (192 and 12) as well." in compare.verdict(units, "a", "b")


def test_selections_that_cannot_be_compared() -> None:
    rows = both((0.5,), (0.4,))
    with pytest.raises(UserError, match="ask for the same measurements"):
        pairing.pairs(rows, {"family": "gpt2"}, {"architecture": "gpt2-2-1-d8"})
    other = table(row(0.5, GPT2(8)), row(0.4, LLAMA(8), recipe=MUON))
    with pytest.raises(UserError, match="share no recipe"):
        pairing.pairs(other, *FAMILIES)
    with pytest.raises(UserError, match=r"no seed of --a \(0\) is one of --b \(1\)"):
        pairing.pairs(table(row(0.5, GPT2(8), 0), row(0.4, LLAMA(8), 1)), *FAMILIES)
    several = table(row(0.5, GPT2(8)), row(0.5, Architecture(2, 1, 8, tied=False)), row(0.4, LLAMA(8)))
    with pytest.raises(
        UserError, match=r"--a leaves architecture open: there are gpt2-2-1-d8, gpt2-2-1-d8-un"
    ):
        pairing.pairs(several, *FAMILIES)


def test_the_verdict_is_a_rule() -> None:
    def said(rows: pd.DataFrame) -> str:
        return compare.verdict(pairing.pairs(rows, *FAMILIES), "GPT-2", "LLaMA")

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
    assert "There is no ratio" in said(both((0.5,), (-0.1,)))
    full = DATASET.bits_max / 1000
    limited = said(both((0.95 * full,), (0.5,)))
    assert "No verdict: the dataset is too small for GPT-2." in limited


def test_limited_and_empty_pairs_do_not_count() -> None:
    full = DATASET.bits_max / 1000
    rows = pd.concat([both((0.8, 0.8), (0.4, 0.4)), both((0.95 * full,) * 2, (0.9, 0.9), 16)])
    rows = pd.concat([rows, both((0.5, 0.5), (-0.1, 0.1), 32)])
    said = compare.verdict(pairing.pairs(rows, *FAMILIES), "a", "b")
    assert said.startswith("ratio of a to b: 2.000, ")
    assert "Left out: 1 pair that the dataset limits." in said
    assert "Left out: 1 pair where b learned nothing." in said
    mixed = pd.concat([both((0.5, 0.51), (0.5, 0.51)), both((0.9, 0.92), (0.3, 0.31), 16)])
    assert "differs from pair to pair" in compare.verdict(pairing.pairs(mixed, *FAMILIES), "a", "b")


def test_variants_of_one_run_share_their_people() -> None:
    ratios = {(seed, variant): 0.5 + 0.1 * seed for seed in (0, 1) for variant in ("fp32", "int8-rtn")}
    ratios[1, "int8-rtn"] -= 0.003
    rows = table(*(row(r, GPT2(8), s, error=0.05, variant=v) for (s, v), r in ratios.items()))
    found = compare.ratio(pairing.pairs(rows, {"variant": "fp32"}, {"variant": "int8-rtn"}))
    assert found
    assert found.high / found.low < 1.08  # twelve per cent by people, were they others for each variant
    single = pairing.pairs(rows[rows.seed == 0], {"variant": "fp32"}, {"variant": "int8-rtn"})
    alone = compare.ratio(single)
    assert alone
    assert alone.high / alone.low > 1.5


@pytest.mark.parametrize("truth", [1.0, 1.3])
def test_the_ratio_of_sizes_and_seeds_is_in_its_interval(truth: float) -> None:
    random, repeats, held = np.random.default_rng(0), 250, 0
    template = pairing.pairs(pd.concat([both((1.0,) * 3, (1.0,) * 3, w) for w in (8, 16)]), *FAMILIES)
    for _ in range(repeats):
        for unit in template:
            for side, mean in ((unit.a, truth), (unit.b, 1.0)):
                side["capacity_ratio"] = mean * np.exp(random.normal(0, 0.1, 3))
                side["bits_learned"] = 1000 * side.capacity_ratio
        found = compare.ratio(template)
        assert found
        held += found.low <= truth <= found.high
    assert held / repeats == pytest.approx(0.95, abs=0.055)


def test_as_many_seeds_as_are_needed_find_the_margin_four_times_in_five() -> None:
    logs = np.array([-0.1, 0.0, 0.1])
    units = pairing.pairs(both(tuple(0.5 * np.exp(logs)), (0.5,) * 3), *FAMILIES)
    needed = compare.seeds_needed(units, 1.15)
    assert needed
    assert needed > 3
    random = np.random.default_rng(1)
    draws = random.normal(np.log(1.15), 0.1, (4000, needed))
    t = draws.mean(axis=1) / (draws.std(axis=1, ddof=1) / np.sqrt(needed))
    assert np.mean(t > student(needed - 1)) > 0.8 - 0.02
    fewer = draws[:, : needed - 1]
    t = fewer.mean(axis=1) / (fewer.std(axis=1, ddof=1) / np.sqrt(needed - 1))
    assert np.mean(t > student(needed - 2)) < 0.8 + 0.02
    assert compare.seeds_needed(pairing.pairs(both((0.5,), (0.4,)), *FAMILIES), 1.1) is None


def command(script: str, *arguments: str, ok: bool = True) -> str:
    """What a script prints: its output, or its one line of error."""
    done = subprocess.run(
        [sys.executable, str(ROOT / f"scripts/{script}.py"), *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        timeout=120,
        check=False,
    )
    assert (done.returncode == 0) == ok, done.stderr
    return done.stdout if ok else done.stderr


def test_the_commands_say_what_the_measurements_say(tmp_path: Path) -> None:
    file = tmp_path / "measurements.parquet"
    other = BioS(n_people=100)
    rows = [
        row(ratio + 0.01 * seed, make(8 * size), seed, dataset=dataset, n_parameters=500 * size)
        for make, ratio in ((GPT2, 0.8), (LLAMA, 0.4))
        for seed in (0, 1)
        for size in (1, 2)
        for dataset in (DATASET, other)
    ]
    write_parquet(file, pa.Table.from_pandas(table(*rows), schema=SCHEMA, preserve_index=False))
    said = command(
        "compare", str(file), "--a", "family=gpt2", "--b", "family=llama", "--where", "n_people=50"
    )
    assert "In this setting family gpt2 stores more bits per parameter than family llama." in said
    assert (
        "did you mean"
        in command("compare", str(file), "--a", "family=gpt", "--b", "seed=1", ok=False).lower()
    )
    fitted = command("fit", str(file))
    assert "bioS, gpt2, 1000, fp32" in fitted
    assert "bioS, llama, 1000, fp32" in fitted
    estimated = command("estimate", str(file))
    assert "17." in estimated  # 14 billion bits at a little more than 0.8
    assert "billion parameters" in estimated.replace(")", "")
    replayed = command("search", "--replay", str(file), "--where", "family=gpt2", "--within", "0.3")
    assert "of 8 runs" in replayed
    assert "Give --architectures" in command("search", ok=False)
