"""The planner: learned costs, what claims need, choices beside all there are, and an overlay that runs."""

import itertools
import json
import math
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from helpers import fork_server
from helpers.run_workflow import ROOT, TIMEOUT, copy_tree, planned, snakemake
from knowledge_capacity.costs import cost
from knowledge_capacity.costs.rates import CPU, GPU, DeviceUsage, Rates, TrainingWork, cell_seconds
from knowledge_capacity.experiments import architectures_at_100, base_law, quantization
from knowledge_capacity.files import UserError
from knowledge_capacity.planning import choose
from knowledge_capacity.planning.cells import count_trained
from knowledge_capacity.planning.needs import (
    ClaimNeed,
    PlannedCell,
    fewest_cells,
    is_answerable,
    simulate_measurements,
)
from knowledge_capacity.specs import Adapter, Architecture, BioS, Quantizer, Recipe, Run
from knowledge_capacity.study import overlay_files

DATASET = BioS(20_000)
RECIPE = Recipe(1000, lr=1e-3, batch_size=24, window=512, warmup_steps=100)
ONE_BY_ONE, IN_PAIRS = DeviceUsage(1, 0, 0, 0), DeviceUsage(2, start=1, compiling=2, measuring=0.5)


def cell(
    layers: int = 2,
    seconds: float = 60.0,
    exposures: int = 1000,
    family: str = "gpt2",
    n_parameters: int = 300_000,
    n_people: int = 20_000,
    habit: DeviceUsage = ONE_BY_ONE,
) -> PlannedCell:
    architecture = Architecture(layers, 1, 64, family=family)  # type: ignore[arg-type]
    run = Run(BioS(n_people), architecture, replace(RECIPE, exposures=exposures), 0)
    rates = Rates("a machine", 1, per_token=0, per_flop=1, spread=0.1, runs=3, habit=habit)
    return PlannedCell((run,), n_parameters, TrainingWork(0.5 * seconds, 0, 0.5 * seconds), rates)


def test_costs_are_those_of_the_runs_they_are_learned_from() -> None:
    works = [
        TrainingWork(n, n * t, 6.0 * p * n * t)
        for n, t, p in itertools.product((100, 1000), (256, 4096), (1e3, 1e5))
    ]
    took = [2e-3 * w.layer_steps + 3e-7 * w.tokens + 4e-13 * w.flops for w in works]
    found = cost.fit_rates("a machine", works, took, CPU)
    assert (found.per_layer_step, found.per_token, found.per_flop) == pytest.approx((2e-3, 3e-7, 4e-13))
    assert found.spread == pytest.approx(0.0, abs=1e-6)
    off = cost.fit_rates(
        "a machine", works, [one * (1.2 if i % 2 else 0.9) for i, one in enumerate(took)], CPU
    )
    assert off.factor() > 1.1
    with pytest.raises(UserError, match="2 runs are too few"):
        cost.fit_rates("a machine", works[:2], took[:2], CPU)


def test_the_timings_of_an_h100_follow_from_its_rates() -> None:
    rates = cost.h100_rates()
    for one in cost._H100:
        assert rates.seconds(one.work) == pytest.approx(one.seconds, rel=0.1)


def test_a_stack_takes_the_launches_of_one_run_and_the_operations_of_all() -> None:
    habit = replace(GPU, stack=3)
    rates = Rates("a GPU", 1e-3, per_token=1e-7, per_flop=1e-12, spread=0.1, runs=4, habit=habit)
    work = TrainingWork(1000.0, 1e6, 1e12)
    assert cell_seconds(work, [1.0] * 1, rates) == pytest.approx(10 + 25 + 1.0 + 1.1)
    assert cell_seconds(work, [1.0] * 3, rates) == pytest.approx(10 + 25 + 1.0 + 3.3)
    assert cell_seconds(work, [1.0] * 4, rates) == pytest.approx(10 + 25 + 2 * 1.0 + 4.4)
    assert cell_seconds(work, [0.5, 0.1], rates) == pytest.approx(10 + 25 + 0.5 + 0.6 * 1.1)
    alone = replace(work, stack=1)
    assert cell_seconds(alone, [1.0] * 2, rates) == pytest.approx(10 + 2 * (25 + 1.0 + 1.1))
    one_by_one = replace(rates, habit=replace(CPU, start=5.0))
    assert cell_seconds(work, [1.0] * 4, one_by_one) == pytest.approx(5 + 4 * 2.1)


def test_the_rates_of_a_gpu_follow_from_the_stacks_that_were_timed_on_it() -> None:
    """An H100 that is half as fast, with 8 runs in 2.5 times the time of one."""
    shape = {"layers": 2, "n_parameters": 859_392, "batch_size": 24, "window": 512, "size": 8}
    work = cost.Timing(2, 859_392, 24, 512, 0.0).work
    h100 = cost.h100_rates()
    alone = 2 * h100.seconds(work)
    speeds = {
        "tokens_per_second": work.tokens / alone,
        "tokens_per_second_of_all": 8 * work.tokens / (2.5 * alone),
    }
    found = cost.stack_rates([{**shape, **speeds, "device": "a GPU"}])
    assert found.device == "a GPU"
    assert found.seconds(work) == pytest.approx(alone)
    assert found.stack_seconds(work, [1.0] * 8) == pytest.approx(2.5 * alone)
    assert found.stack_seconds(work, [1.0] * 2) == pytest.approx((1 + 1.5 / 7) * alone)


def test_timings_of_an_h200_follow_from_its_layers_and_its_arithmetic() -> None:
    """As measured: the layers are as fast as those of an H100, for the time of one run and of eight tells both."""
    paper = {"layers": 2, "n_parameters": 859_392, "batch_size": 24, "window": 512, "size": 8}
    speeds = {"tokens_per_second": 8.79e6, "tokens_per_second_of_all": 13.7e6}
    found = cost.stack_rates([{**paper, **speeds, "device": "an H200"}])
    h100 = cost.h100_rates()
    assert found.per_layer_step == pytest.approx(h100.per_layer_step, rel=0.05)
    assert found.per_token / h100.per_token == pytest.approx(found.per_flop / h100.per_flop)
    small = cost.Timing(2, 331_000, 2, 512, 0.0).work
    assert 16 * small.tokens / found.stack_seconds(small, [1.0] * 16) == pytest.approx(14.5e6, rel=0.05)


def test_timings_of_another_gpu_tell_nothing_of_this_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = {"layers": 2, "n_parameters": 859_392, "batch_size": 24, "window": 512, "size": 8}
    speeds = {"tokens_per_second": 1e7, "tokens_per_second_of_all": 3e7}
    file = tmp_path / "stacks.json"
    file.write_text(json.dumps([{**shape, **speeds, "device": "a GPU"}]))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "another GPU")
    assert cost.local_rates(file) is None
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a GPU")
    found = cost.local_rates(file)
    assert found
    assert (found.device, found.habit) == ("a GPU", GPU)


def test_a_device_that_no_run_was_measured_on_is_refused() -> None:
    columns = [
        "run",
        "device",
        "train_seconds",
        "train_steps",
        "train_tokens",
        "train_flops",
        "layers",
        "diverged",
        "engine",
    ]
    whole = [[f"run{i}", "cpu, 1 threads", 10.0 * i, i, 1e5 * i, 1e11 * i, 2, None] for i in range(1, 6)]
    rows = [[*row, "native"] for row in whole]
    rows += [[f"slow{i}", "cpu, 1 threads", 90.0 * i, i, 1e5 * i, 1e11 * i, 2, None, "eager"] for i in (1, 2)]
    table = pd.DataFrame(rows, columns=columns)
    assert cost.measured_rates(table, "CPU").seconds(TrainingWork(9, 3e5, 3e11)) == pytest.approx(30.0)
    with pytest.raises(
        UserError,
        match=re.escape("--device tpu: no run was measured on such a processor. There are: cpu, 1 threads."),
    ):
        cost.measured_rates(table, "tpu")


def test_a_claim_says_what_it_needs() -> None:
    peak = base_law.CLAIMS[0]
    free, limited = cell(2), cell(8, n_people=2000)
    assert limited.limited
    assert not free.limited
    rows = simulate_measurements([free], "base_law", {"fp32": None})
    assert is_answerable(peak, rows)
    assert rows.capacity_ratio.tolist() == pytest.approx([2.0, 2.0], rel=0.02)  # the paper's law
    assert rows[["capacity_ratio", "bits_learned", "bits_max", "data_limited"]].notna().all().all()
    assert not is_answerable(peak, simulate_measurements([limited], "base_law", {"fp32": None}))
    assert not is_answerable(peak, simulate_measurements([], "base_law", {"fp32": None}))
    llama = architectures_at_100.CLAIMS[0]
    both = [cell(exposures=100), cell(exposures=100, family="llama")]
    assert is_answerable(llama, simulate_measurements(both, "architectures_at_100", {"fp32": None}))
    assert not is_answerable(llama, simulate_measurements(both[:1], "architectures_at_100", {"fp32": None}))
    kept = quantization.CLAIMS[0]
    variants = {"fp32": None, "int8-gptq": Quantizer(8, "gptq")}
    assert is_answerable(kept, simulate_measurements([free], "quantization", variants))
    assert not is_answerable(kept, simulate_measurements([free], "quantization", {"fp32": None}))


def test_the_fewest_models_leave_out_the_dearest_and_those_that_their_dataset_limits() -> None:
    peak = base_law.CLAIMS[0]
    cheap, dear, limited = cell(2, 10.0), cell(4, 90.0), cell(8, 1.0, n_people=2000)

    def enough(some: object) -> bool:
        return is_answerable(peak, simulate_measurements(some, "base_law", {"fp32": None}))  # type: ignore[arg-type]

    assert fewest_cells([dear, cheap, limited], enough) == [cheap]
    assert fewest_cells([limited], enough) == []


@pytest.mark.parametrize(
    ("habit", "at_once", "whole"), [(ONE_BY_ONE, 1, True), (ONE_BY_ONE, 2, True), (IN_PAIRS, 1, False)]
)
def test_the_plan_is_the_best_of_all_that_there_are(habit: DeviceUsage, at_once: int, whole: bool) -> None:
    claim = base_law.CLAIMS[0]
    cells = [cell(n, seconds, habit=habit) for n, seconds in ((1, 7.0), (2, 11.0), (3, 13.0), (4, 30.0))]
    wanted = [
        ClaimNeed("a", claim, tuple(cells[:2]), (cells[0],)),
        ClaimNeed("b", claim, tuple(cells[1:3]), (cells[1], cells[2])),
        ClaimNeed("c", claim, tuple(cells), (cells[3],)),
    ]

    def clock(seeds: dict[PlannedCell, int]) -> float:
        jobs = [one.whole_seconds(n) for one, n in seeds.items()]
        return (sum(jobs) + (at_once - 1) * max(jobs)) / at_once

    def judged(seeds: dict[PlannedCell, int]) -> list[ClaimNeed]:
        return [need for need in wanted if all(seeds.get(one, 0) >= 2 for one in need.least)]

    def idle(seeds: dict[PlannedCell, int]) -> bool:
        used = {one for need in judged(seeds) for one in need.cells}
        return whole and any(n and one not in used for one, n in seeds.items())

    every = [dict(zip(cells, some, strict=True)) for some in itertools.product(range(4), repeat=4)]
    for budget in (15.0, 50.0, 70.0, 140.0, 200.0):
        plan = choose.choose_runs(wanted, seeds_of(cells), budget, at_once, whole=whole)
        chosen = {one: len(plan.seeds.get(one, ())) for one in cells}
        assert plan.optimal
        assert plan.seconds == pytest.approx(clock(chosen))
        assert plan.seconds <= budget + 1e-6
        assert all(own == list(range(len(own))) for own in plan.seeds.values())
        assert plan.judged == judged(chosen)
        assert not idle(chosen)
        options = [option for option in every if clock(option) <= budget and not idle(option)]
        assert len(plan.judged) == max(len(judged(option)) for option in options)
        best = max(worth(wanted, option) for option in options if len(judged(option)) == len(plan.judged))
        assert worth(wanted, chosen) >= best * (1 - choose.GAP)


def test_what_is_done_costs_nothing_and_what_is_under_way_the_rest_of_it() -> None:
    claim = base_law.CLAIMS[0]
    one, other = cell(1, 30.0), cell(2, 30.0)
    first, second = (one.with_seed(seed)[0].slug for seed in (0, 1))
    wanted = [ClaimNeed("a", claim, (one, other), (one,))]
    plan = choose.choose_runs(wanted, seeds_of([one, other]), 10.0)
    assert (plan.judged, plan.seeds) == ([], {})
    done = choose.choose_runs(wanted, seeds_of([one, other]), 10.0, left=dict.fromkeys((first, second)))
    assert (done.judged, done.seeds, done.seconds) == (wanted, {one: [0, 1]}, 0.0)
    under_way = choose.choose_runs(wanted, seeds_of([one, other]), 12.0, left={first: None, second: 0.3})
    assert (under_way.judged, under_way.seeds) == (wanted, {one: [0, 1]})
    assert under_way.seconds == pytest.approx(9.0)
    never = choose.choose_runs([replace(wanted[0], least=())], seeds_of([one, other]), 1e9)
    assert (never.judged, never.seeds) == ([], {})
    alone = choose.choose_runs(wanted, {one: [0], other: [0]}, 1e9)
    assert alone.judged == [], "two seeds are needed"


def seeds_of(cells: list[PlannedCell]) -> dict[PlannedCell, list[int]]:
    return {one: [0, 1, 2] for one in cells}


def worth(needs: list[ClaimNeed], seeds: dict[PlannedCell, int]) -> float:
    """What a choice is worth by the rule of the module, counted apart from it."""
    total = 0.0
    for one, n in seeds.items():
        weight = 1 / len(seeds)
        for need in needs:
            weight += (2 if one in need.least else one in need.cells) / len(need.cells)
        total += weight * sum(choose.interval_narrowing(seed) for seed in range(n))
    return total


def test_each_further_seed_narrows_less() -> None:
    steps = [choose.interval_narrowing(seed) for seed in range(6)]
    assert steps[0] == steps[1] == 1.0
    assert steps[1:] == sorted(steps[1:], reverse=True)
    assert steps[2] == pytest.approx(1 - (4.303 / math.sqrt(3)) / (12.706 / math.sqrt(2)), abs=1e-3)


def plan(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [fork_server.python(), "scripts/commands/budget.py", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


@pytest.mark.slow
def test_the_planned_study_runs_as_it_is_written(tmp_path: Path) -> None:
    folder = copy_tree(tmp_path / "a clone")
    options = "--configfile studies/smoke.yaml --device h100 --at-once 1 --seeds 2".split()
    none = plan(folder, "--hours", "0.001", *options)
    assert "the budget pays for no claim: the cheapest takes" in none.stderr
    done = plan(folder, "--hours", "0.1", *options)
    assert done.returncode == 0, done.stderr
    text = (folder / "results/plan/plan.md").read_text()
    runs = int(re.findall(r"\*\*Chosen:\*\* (\d+) runs", text)[0])
    command = re.findall(r"`snakemake (.*)`", text)[0].split()
    assert done.stdout.startswith(f"Chosen: {runs} runs of ")
    assert f"  snakemake {' '.join(command)}\n" in done.stdout
    assert not re.search(r"[|*`]{2}|^#", done.stdout, re.MULTILINE), "Markdown is for the file"
    assert command[-1] == "results/plan/study.yaml"
    config, sources = overlay_files.read_configuration(
        [folder / "studies/smoke.yaml", folder / "results/plan/study.yaml"]
    )
    study = overlay_files.make_study(config, sources)
    assert len(study.runs) == runs
    assert planned(folder, *command[2:])["train"] == len(study.cells)
    assert "the tokenizer of bioS-20" in snakemake(folder, *command[2:], "--until", "tokenizer"), (
        "it starts as it is printed"
    )
    assert (
        0
        < runs
        < len(
            overlay_files.make_study(*overlay_files.read_configuration([folder / "studies/smoke.yaml"])).runs
        )
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="plans with its own GPU")
def test_a_plan_for_gpus_without_one_says_whose_hours_it_has(tmp_path: Path) -> None:
    options = ["--configfile", "studies/smoke.yaml", "--hours", "0.05", "--output", str(tmp_path)]
    said = plan(ROOT, *options, "--profile", "gpu").stdout
    assert "These are hours of a processor, since there is no GPU here." in said
    assert re.match(r"Chosen: \d+ runs of (1 model|\d+ models),", said)
    assert "hours of a processor" not in plan(ROOT, *options).stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "make budget HOURS=24, or --hours 24"),
        (("--hours", "nan"), "make budget HOURS=24, or --hours 24"),
        (("--hours", "-3"), "make budget HOURS=24, or --hours 24"),
        (("--hours", "1", "--seeds", "1"), "write 2 seeds or more"),
        (("--hours", "1"), "nothing says what training costs here. Time this machine first"),
    ],
)
def test_budgets_that_make_no_sense_are_refused(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    folder = copy_tree(tmp_path / "a clone")
    done = plan(folder, *arguments)
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_plan_counts_the_parameters_of_adapters() -> None:
    adapted = Run(DATASET, Architecture(2, 1, 32), replace(RECIPE, adapter=Adapter(2)), seed=0)
    # two layers, and factors beside matrices from 32 to 96, 32 to 32, 32 to 128 and back
    assert count_trained(adapted, vocabulary=200) == 2 * 2 * (128 + 64 + 160 + 160)
