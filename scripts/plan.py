"""Choose the runs of a study that tell most within a budget of hours, and write them as a study of their own.

Claims come first: as many as can be judged at all, each by the cheapest models that it needs, with two seeds.
What is left goes to the seeds and models that narrow intervals most. Runs that are measured already cost nothing.
docs/limits.md says how hours are estimated.
"""

import argparse
import json
import math
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import yaml
from knowledge_capacity import console
from knowledge_capacity.bits import request
from knowledge_capacity.capacity import conditions
from knowledge_capacity.data import corpus, tokenizer
from knowledge_capacity.experiments.claims import LEAST_SEEDS
from knowledge_capacity.files import UserError, replacing, write_json
from knowledge_capacity.planning import choose, cost
from knowledge_capacity.planning.needs import Cell, Need, needs
from knowledge_capacity.planning.rates import CPU, GPU, Rates, Work, work_of
from knowledge_capacity.planning.text import Told, told
from knowledge_capacity.specs import WORD_LEVEL, Checkpoint, Dataset, Run
from knowledge_capacity.study import Study

RUNS = Path("results/runs")
PROBED = Path("results/benchmarks/rates.json")
MACHINES = (1, 8, 64)
SHAPES = 3  # of the benchmark of training, that the probe times
MANY = 4  # times its steps


def job(arguments: argparse.Namespace, log: console.Log) -> None:
    if arguments.probe:
        probe(arguments.at_once, log)
        if arguments.hours is None:
            return
    if arguments.hours is None or not 0 < arguments.hours < math.inf:
        raise UserError(
            "how many hours are there? Write a number above 0: make budget HOURS=24, or --hours 24 with the script."
        )
    if arguments.seeds < LEAST_SEEDS or arguments.at_once < 1:
        raise UserError(
            f"--seeds {arguments.seeds} --at-once {arguments.at_once}: write {LEAST_SEEDS} seeds or more, and 1 run "
            "or more."
        )
    rates = rates_of(arguments.device)
    config, sources = request.configuration(arguments.configfile)
    study = request.study_of(config, sources)
    log.say(f"plan: {len(study.runs)} runs, costs by {rates.device}")
    cells = cells_of(study, rates, arguments.start)
    wanted = needs(study, cells)
    there = {
        (cell, seed) for cell in cells.values() for seed in range(arguments.seeds) if is_measured(cell, seed)
    }
    plan = choose.choose(wanted, arguments.seeds, 3600 * arguments.hours * arguments.at_once, there)
    file = arguments.output / "study.yaml"
    files = map(str, [*arguments.configfile, file])
    command = shlex.join(
        ["snakemake", "--workflow-profile", f"envs/{arguments.profile}", "--configfile", *files]
    )
    text = told(
        Told(plan, wanted, rates, arguments.hours, arguments.at_once, command, total(study, cells)), MACHINES
    )
    for path, content in ((file, overlay(study, cells, plan, wanted)), (arguments.output / "plan.md", text)):
        with replacing(path) as aside:
            aside.write_text(content, encoding="utf-8")
    print(text, end="")


def rates_of(device: str | None) -> Rates:
    """What training costs: on the GPU there are timings of, on this machine by its probe, or by measurements."""
    if device and device.lower() == "h100":
        return cost.h100()
    if device is None and PROBED.is_file():
        found = json.loads(PROBED.read_text(encoding="utf-8"))
        works = [Work(*one["work"]) for one in found["runs"]]
        habit = GPU if torch.cuda.is_available() else CPU
        return cost.fitted(found["device"], works, [one["seconds"] for one in found["runs"]], habit)
    tables = [
        file
        for file in (Path("results/measurements.parquet"), Path("results/published/measurements.parquet"))
        if file.is_file()
    ]
    if not tables:
        raise UserError(
            "nothing says what training costs here. Time this machine first: make budget OPTIONS=--probe."
        )
    return cost.measured(pd.concat([conditions.measurements(file) for file in tables]), device)


def probe(at_once: int, log: console.Log) -> None:
    """Time training on this machine, with as many runs at once as are to be planned for, in about a minute."""
    log.say(f"plan: timing {at_once} runs at once, of {SHAPES} sizes each")
    runs = []
    for shape in range(SHAPES):
        what = _timed([["facts", shape, 1]])[0]
        each = _timed([["ours", shape, 1, MANY]] * at_once)
        tokens = what["batch_size"] * what["window"]
        seconds = sum(one["seconds"] for one in each) / at_once
        runs.append(
            {"work": [1.0 + what["layers"], tokens, 6.0 * what["n_parameters"] * tokens], "seconds": seconds}
        )
        log.say(f"plan: {what['architecture']}, {console.amount(tokens / seconds)} tokens/s each")
    name = (
        torch.cuda.get_device_name() if torch.cuda.is_available() else f"this machine, {at_once} runs at once"
    )
    write_json(PROBED, {"device": name, "runs": runs})


def _timed(options: list[list[Any]]) -> list[dict[str, Any]]:
    script = str(Path(__file__).with_name("benchmark.py"))
    jobs = [
        subprocess.Popen(  # noqa: S603 (our own)
            [sys.executable, script, "training", "--one", json.dumps(one)], stdout=subprocess.PIPE, text=True
        )
        for one in options
    ]
    outputs = [one.communicate()[0] for one in jobs]
    if any(one.returncode for one in jobs):
        raise UserError("--probe: the benchmark failed (see above).")
    return [json.loads(text.splitlines()[-1]) for text in outputs]


def cells_of(study: Study, rates: Rates, start: float) -> dict[tuple[Run, ...], Cell]:
    """All models of a study, by their runs of seed 0. start: seconds that a run takes beside training."""
    found: dict[tuple[Run, ...], Cell] = {}
    vocabularies: dict[Any, int] = {}
    for name in study.experiments:
        for runs in study.models(name, [0]):
            if runs in found:
                continue
            first = runs[0]
            if isinstance(first.architecture, Checkpoint):
                raise UserError(
                    f"{first.slug}: a checkpoint is not trained, so there is nothing to plan. Leave it out."
                )
            dataset, recipe = first.dataset, first.recipe
            if dataset not in vocabularies:
                vocabularies[dataset] = vocabulary_of(dataset)
            size = vocabularies[dataset] + int(recipe.has_domain_token)
            texts = request.Texts(vocabulary=size, used=size, shortest=1, longest=recipe.window)
            n_parameters = request.size_of(first.architecture, texts, recipe.window)
            seconds = rates.seconds(work_of(first, n_parameters)) + start
            found[runs] = Cell(runs, n_parameters, seconds * len(runs))
    return found


def vocabulary_of(dataset: Dataset) -> int:
    """The rows of the embedding, with the tokens of all texts counted as used."""
    told = [] if dataset.tokenizer == WORD_LEVEL else ["".join(text) for text in corpus.sample(dataset)]
    return tokenizer.make(
        dataset.tokenizer, corpus.texts(dataset), told, corpus.closed(dataset)
    ).get_vocab_size()


def is_measured(cell: Cell, seed: int) -> bool:
    """Whether all of its runs are measured here."""
    return all((RUNS / replace(run, seed=seed).slug / "measurements.parquet").is_file() for run in cell.runs)


def overlay(
    study: Study, cells: dict[tuple[Run, ...], Cell], plan: choose.Plan, wanted: Sequence[Need]
) -> str:
    """The planned study, to be merged over the files that were planned from.

    Experiments of whose claims none is judged are left out: the runs of others would not make their figures.
    """
    experiments: dict[str, Any] = dict.fromkeys(study.config.experiments)
    idle = {need.experiment for need in wanted} - {need.experiment for need in plan.judged}
    for name, spec in study.experiments.items():
        if name in idle:
            continue
        grids: dict[tuple[str, str, int], list[str]] = {}
        for grid in spec.grids:
            for d, r, a in product(grid.datasets, grid.recipes, grid.architectures):
                models = grids.setdefault((d, r, plan.seeds.get(cells[study.model(d, a, r, 0)], 0)), [])
                if a not in models:
                    models.append(a)
        made = [
            {"datasets": [d], "architectures": models, "recipes": [r], "seeds": list(range(n))}
            for (d, r, n), models in grids.items()
            if n
        ]
        if made:
            seeds = list(range(max(n for _, _, n in grids)))
            experiments[name] = {"seeds": seeds, "variants": list(spec.variants), "grids": made}
    head = "# Written by make budget, which says in plan.md what it is. Merged over the files that were planned from.\n"
    return head + yaml.safe_dump(
        {"only": None, "experiments": experiments}, sort_keys=False, width=120, default_flow_style=None
    )


def total(study: Study, cells: dict[tuple[Run, ...], Cell]) -> float:
    """Seconds of all runs of a study, with the seeds that it asks for."""
    per_run: dict[str, float] = {}
    for name in study.experiments:
        for runs in study.models(name):
            cell = cells[tuple(replace(run, seed=0) for run in runs)]
            per_run |= {run.slug: cell.seconds / len(runs) for run in runs}
    return sum(per_run.values())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="plan", description=__doc__)
    parser.add_argument("--hours", type=float, metavar="H", help="how long the study may take")
    parser.add_argument(
        "--at-once",
        type=int,
        default=os.cpu_count() or 1,
        metavar="N",
        help="runs at a time: cores, or GPUs (default: the cores here)",
    )
    parser.add_argument(
        "--device",
        metavar="NAME",
        help="h100, or one that measurements name; default: this machine by its probe, else the one most measured",
    )
    parser.add_argument(
        "--probe", action="store_true", help="time training on this machine first, and keep what it says"
    )
    parser.add_argument(
        "--seeds", type=int, default=5, metavar="N", help="at most so many for each model (default: 5)"
    )
    parser.add_argument(
        "--start",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="that a run takes beside training: to start, compile, be measured (default: 10)",
    )
    parser.add_argument(
        "--configfile", type=Path, nargs="+", default=[], metavar="FILE", help="overlays of config.yaml"
    )
    parser.add_argument(
        "--profile", default="local", metavar="NAME", help="a folder of envs/; default: local"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("results/plan"), metavar="FOLDER", help="default: results/plan"
    )
    console.main(job, parser)
