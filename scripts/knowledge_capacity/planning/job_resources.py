"""What jobs ask of a scheduler, minutes and memory, from specs alone: bounds that are seldom too low.

A job whose minutes do not suffice loses little: it saves its progress shortly before they end, and goes on when the
workflow or the scheduler starts it again. The workflow imports this module, so it must not wait for torch or pandas.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Literal

from ..costs.rates import CPU, GPU, Rates, cell_seconds, stack_size, training_work
from ..specs import Architecture, BioD, BioG, BioR, Checkpoint, Dataset, RandomStrings, Run

Device = Literal["cpu", "gpu"]

MARGIN = 2.0  # nine runs of ten took less than twice what was predicted (docs/planning.md)
START = 10.0  # minutes: imports from a shared file system, reading the data, compiling, writing the outputs
SHORT = 30.0  # minutes to quantize, ask or measure small models
READINGS = 50  # of all texts by a such a job: some variants, several times as slow as training
LONGEST = 24 * 60.0  # minutes; longer runs go on in another job
UNKNOWN = 240.0  # minutes of a model of whose size its spec says nothing
PERSON = 9e-7  # seconds to draw and write one, as results/published/stream.json has it
TEXT = 1.2e-4  # seconds of a core until the grammar has written one
TOKENISED = 5e-4  # seconds of a core until a text is tokens; 80,000 of bioG, by bpe-4000, took 28 seconds


# What `cost` learns from timings of an H100 and from the published measurements of one core: tests compare them.
RATES: dict[Device, Rates] = {
    "gpu": Rates("NVIDIA H100", 1.9e-4, per_token=8.3e-9, per_flop=7.6e-15, spread=0.32, runs=4, habit=GPU),
    "cpu": Rates(
        "cpu, 1 threads", 7.1e-4, per_token=1.2e-6, per_flop=3.0e-11, spread=0.46, runs=281, habit=CPU
    ),
}


def people_minutes(dataset: Dataset, seeds: int) -> int:
    """To draw the people of a dataset for so many seeds: twice what was measured, and ten more; at most a day."""
    return math.ceil(min(START + MARGIN * seeds * dataset.n_people * PERSON / 60, LONGEST))


def tokenizer_minutes() -> int:
    """To make a tokenizer: it looks at a sample, and at the words there are, however many people there are."""
    return math.ceil(START)


def rewrites_minutes(dataset: Dataset) -> int:
    """To write the texts of a dataset and seed: by a grammar, twice what was measured, and ten more; at most a day.

    By a language model a day, for only its server tells how fast it is. What is written by then is kept.
    """
    if not isinstance(dataset, BioG):
        return math.ceil(LONGEST)
    return math.ceil(min(START + MARGIN * dataset.n_people * dataset.rewrites * TEXT / 60, LONGEST))


def encode_minutes(dataset: BioG | BioR) -> int:
    """To tokenise the texts of a dataset and seed: twice what was measured, and ten more; at most a day."""
    return math.ceil(min(START + MARGIN * dataset.n_people * dataset.rewrites * TOKENISED / 60, LONGEST))


def training_minutes(runs: Sequence[Run], device: Device) -> int:
    """To train all runs of a cell: twice what is predicted, and ten more.

    At most a day; four hours a run where its size is not known.
    """
    run = runs[0]
    if isinstance(run.architecture, Checkpoint):
        return math.ceil(START)
    if not isinstance(run.architecture, Architecture):
        return math.ceil(min(len(runs) * UNKNOWN, LONGEST))
    return math.ceil(min(START + MARGIN * training_seconds(runs, device) / 60, LONGEST))


def training_seconds(runs: Sequence[Run], device: Device) -> float:
    """To train all runs of a cell, as predicted; 0 where nothing is trained, or the spec does not say the size."""
    if not isinstance(runs[0].architecture, Architecture):
        return 0.0
    work = training_work(runs[0], max_parameters(runs[0]))
    return cell_seconds(work, [1.0] * len(runs), RATES[device])


def short_minutes(runs: Sequence[Run], device: Device) -> int:
    """To quantize, ask or measure the runs of a cell: half an hour, and more where reading the texts takes long.

    To read every text once takes a third of what training takes for each exposure. It is done in float32, which a GPU
    does more slowly than training, for several variants. At most a day.
    """
    recipe = runs[0].recipe
    once = training_seconds(runs, device) / 3 / recipe.exposures
    return math.ceil(min(SHORT + MARGIN * (READINGS + len(recipe.snapshot_times)) * once / 60, LONGEST))


def training_memory(runs: Sequence[Run], device: Device) -> int:
    """MB of main memory: Python and its packages and, for all runs that are trained at a time, weights with all that
    training keeps of them, activations, people.
    """
    run = runs[0]
    packages = 8000 if device == "gpu" else 1500
    if not isinstance(run.architecture, Architecture):
        return packages + 4000
    model, recipe = run.architecture, run.recipe
    # float32: weights, gradients, two moments, and what a checkpoint copies; and of weights on the way
    weights = (24 + 8 * len(recipe.snapshot_times)) * max_parameters(run)
    activations = 0.0
    if device == "cpu":
        per_token = 12 * max_vocabulary_size(run) + 4 * model.layers * (
            16 * model.width + 4 * model.inner_width
        )
        activations = recipe.batch_size * recipe.window * per_token
    people = 0 if isinstance(run.dataset, RandomStrings) else 100 * run.dataset.n_people
    at_a_time = min(len(runs), stack_size(training_work(run, max_parameters(run)), RATES[device]))
    return math.ceil(packages + at_a_time * (weights + activations + people) / 1e6)


def max_parameters(run: Run) -> float:
    """At most so many, where a decoder's spec says its size: matrices, and embeddings of all tokens there may be."""
    model = run.architecture
    assert isinstance(model, Architecture)
    experts = model.parts.experts.number if model.parts.experts else 1
    matrices = 3 if model.parts.mlp == "gated" else 2
    layer = model.width * (4 * model.width + matrices * experts * model.inner_width + 20)
    return model.layers * layer + (1 if model.parts.tied else 2) * max_vocabulary_size(run) * model.width


def max_vocabulary_size(run: Run) -> int:
    """At most so many tokens: words of names and facts, and those of all sentences."""
    if isinstance(run.dataset, RandomStrings):
        return run.dataset.symbols + 10
    symbols = run.dataset.symbols if isinstance(run.dataset, BioD) else 0
    return 2 * sum(asdict(run.dataset.pools).values()) + symbols + 1000
