"""The study as read from the configuration, and the look-ups that rules make in it."""

import hashlib
import json
import os
import re
import shlex
import sys
from functools import cache, partial
from itertools import chain
from inspect import isfunction, signature
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.io import IOFile

from knowledge_capacity import layout
from knowledge_capacity.config import ConfigError
from knowledge_capacity.fingerprint import (
    code_fingerprint,
    figure_fingerprint,
    method_fingerprint,
    own_fingerprint,
    scorecard_fingerprint,
    tokenizer_fingerprint,
)
from knowledge_capacity.specs import Checkpoint, cell_to_json, to_json
from knowledge_capacity.experiments import PAPER_RESULTS
from knowledge_capacity.study.command_line import describe_files, refuse_dropped_overlays
from knowledge_capacity.study.study import Study, list_experiments

try:
    refuse_dropped_overlays(sys.argv)
    study = Study(config, workflow.configfiles, list_experiments())
except ConfigError as error:
    raise unusable(error)


if workflow.is_main_process:
    overlays, read = (
        [*map(os.path.relpath, files)] for files in (workflow.overwrite_configfiles, workflow.configfiles)
    )
    own = [file for file in read if file not in overlays]
    print(describe_files(own, overlays, workflow.config_settings.config), file=sys.stderr)

if workflow.is_main_process and not study.sources:
    for line in [*study.inherited, *study.implies()]:
        print(line, file=sys.stderr)


# Where another workflow has this one as a module with a prefix, Snakemake puts that before the files of rules; with a
# storage provider, jobs have copies of them in a folder of their own.
placed = workflow.modifier.modify_path
RESULTS = str(placed("results"))
# what belongs to the project, such as results/published, is never in a storage
KEPT = workflow.modifier.path_modifier.replace_prefix("results")
IN_STORAGE = workflow.storage_settings.default_storage_provider is not None
# Snakemake cannot update a file that is in a storage only: there, a job makes all of its outputs anew
updated = list if IN_STORAGE else update


def command(text):
    """A shell command that has `scripts` and `results` where these are, from the working directory.

    In a study's own folder that is the text as it stands. Elsewhere it is relative too, so that no job runs again
    because folders were moved together: Snakemake compares these texts.
    """
    project = "." if os.path.samefile(PROJECT, ".") else os.path.relpath(PROJECT)
    places = {
        "scripts": os.path.normpath(os.path.join(project, "scripts")),
        "results/published": f"{KEPT}/published",
        "results": RESULTS,
    }
    words = {name: re.sub(r"[{}]", r"\g<0>\g<0>", shlex.quote(place)) for name, place in places.items()}
    return re.sub(rf"(?<= )({'|'.join(words)})(?=[ /])", lambda found: words[found[1]], text)


@cache
def code(*entries):
    """Fingerprint of the source that a script reaches, so that its jobs rerun when that changes."""
    return code_fingerprint(SCRIPTS, *entries)


def dataset_spec(wildcards):
    return to_json(study.datasets[wildcards.dataset])


def tokenizer_source(wildcards):
    """The files of a tokenizer that is taken from a folder."""
    folder = Path(study.datasets[wildcards.dataset].tokenizer)
    names = ("tokenizer.json", "vocab.json", "merges.txt")
    return [local(str(folder / name)) for name in names if (folder / name).is_file()]


def tokenizer_code(wildcards):
    return tokenizer_fingerprint(SCRIPTS, study.datasets[wildcards.dataset].kind)


def train_seconds(rule):
    """What training is expected to take in the job of a rule; 0 for rules that do not train."""
    runs = trained_by.get(rule)
    return job_resources.training_seconds(runs, train_device()) if runs else 0.0


def rule_name(stage, cell, *more):
    """The stage and its cell as the name of a rule, which nobody need write."""
    return ".".join([stage, *cell.split("/"), *more])


made = {}


def note_outputs(name, files):
    """Remember who makes these files, which others read. Snakemake then need not search all rules for them."""
    name = workflow.modifier.modify_rulename(name)
    if not workflow.is_rule(name):  # another workflow uses some rules only
        return
    maker = workflow.get_rule(name)
    made.update((path, IOFile(placed(path), rule=maker)) for path in in_results(*files))


def in_results(*files):
    paths = [f"results/{file}" for file in files]
    return [made.get(path, path) for path in paths]


def people_jobs():
    """The datasets and seeds that jobs draw people of, by name: where some are there, a job for these, one for others."""
    found = {}
    for dataset, seeds in study.seeds.items():
        if IN_STORAGE:  # which are there, only a request for each would tell
            found |= {f"{dataset}-seed{seed}": (dataset, [seed]) for seed in seeds}
            continue
        files = {seed: Path(RESULTS, layout.people_file(study.datasets[dataset], seed)) for seed in seeds}
        there = [seed for seed in seeds if files[seed].exists()]
        added = [seed for seed in seeds if seed not in there]
        found[dataset] = (dataset, there or added)
        if there and added:
            found[f"{dataset}-added"] = (dataset, added)
    return found


def people_of(runs):
    return in_results(*dict.fromkeys(layout.people_file(run.dataset, run.seed) for run in runs))


def texts_of(runs):
    """The encoded texts of bioR and bioG; other datasets have none."""
    return in_results(*dict.fromkeys(chain.from_iterable(layout.text_files(r.dataset, r.seed) for r in runs)))


def tokenizer_of(runs):
    """That of the dataset; a checkpoint brings its own."""
    architecture, dataset = runs[0].architecture, runs[0].dataset
    if isinstance(architecture, Checkpoint):
        return local(f"{architecture.folder}/tokenizer.json")
    return f"results/{layout.tokenizer_file(dataset)}"


def data_of(runs):
    """What a job reads of a cell's data."""
    return [*people_of(runs), *texts_of(runs), tokenizer_of(runs)]


def trained_of(runs):
    """What jobs read of trained runs. One job leaves all of it, so that two files stand for it, but in a storage."""
    beside = (layout.config_file, layout.saved_tokenizer_file, layout.training_log_file) if IN_STORAGE else ()
    kept = (layout.snapshots_file,) if IN_STORAGE and runs[0].recipe.snapshots else ()
    return [file(run) for run in runs for file in (layout.model_file, layout.record_file, *beside, *kept)]


def training_logs():
    """What the explorer draws curves of. But in a storage, they are there when runs are measured."""
    runs = study.runs.values() if IN_STORAGE and not study.sources else ()
    return in_results(*map(layout.training_log_file, runs))


def checkpoint_of(runs):
    """The files of a model that is only measured; other models have none."""
    architecture = runs[0].architecture
    if not isinstance(architecture, Checkpoint):
        return []
    folder = Path(architecture.folder)
    return [local(str(path)) for path in (folder / "config.json", *sorted(folder.glob("*.safetensors*")))]


def card_seed(wildcards):
    """A card shows the people of the study's first seed."""
    return study.seeds[wildcards.dataset][0]


def card_people(wildcards):
    return in_results(layout.people_file(study.datasets[wildcards.dataset], card_seed(wildcards)))


def card_texts(wildcards):
    return in_results(*layout.text_files(study.datasets[wildcards.dataset], card_seed(wildcards)))


def card_rewrites(wildcards):
    """The list of texts, by which a card finds some to show."""
    folder = f"results/data/{wildcards.dataset}/seed{card_seed(wildcards)}"
    return [f"{folder}/rewrites.json"] if card_texts(wildcards) else []


def texts_option(files):
    """The option that tells a script the folder of these files, as words of a shell command."""
    return ["--texts", str(Path(placed(files[0])).parent)] if files else []


# the run that the error budget is made for
example = study.runs[study.example_run()]


def variants_of(runs):
    return in_results(
        *(layout.variants_file(run, method) for run in runs for method in study.methods(run.slug))
    )


@cache
def cell_specs(cell):
    """The specs of a cell's runs, as jobs take them."""
    return cell_to_json(study.cells[cell])


def specs_json(specs):
    return "[" + ", ".join(map(to_json, specs)) + "]"


def result_named(experiment, numbers={name: number for number, name in PAPER_RESULTS.items()}):
    """Under which heading of the report an experiment stands."""
    return (
        f"Result {numbers[experiment]:02}: {experiment}" if experiment in numbers else "Further experiments"
    )


def figure_files(experiments, endings=("pdf", "svg", "png", "md", "html")):
    return [f"results/figures/{experiment}.{ending}" for experiment in experiments for ending in endings]


def experiments_drawn():
    """Those that have a figure: the study's or, with sources, those that their measurements are for."""
    if not study.sources:
        return list(study.experiments)
    from knowledge_capacity.measurements import sources  # only here: it takes a while
    from knowledge_capacity.files import UserError

    try:
        tables = [sources.read_source(name, Path(KEPT)) for name in study.sources]
    except UserError as error:
        raise WorkflowError(str(error))
    found = {name for table in tables for names in table["experiments"].to_pylist() for name in names or ()}
    return [name for name in list_experiments() if name in found]


drawn = experiments_drawn()


def result_files(number, experiment):
    """The files of one of the paper's results. Asked for where it is wanted, so that a study need not have all."""

    def files(wildcards):
        if experiment in drawn:
            return figure_files([experiment])
        raise WorkflowError(
            f"Result {number} (the experiment {experiment}) is not part of this study. "
            f"Add it to the configuration; studies/small.yaml has all results."
        )

    return files


# Snakemake looks at the signature of each look-up for every job, again and again; kept, it need not be worked out.
for function in [value for value in globals().values() if isfunction(value)]:
    if "wildcards" in signature(function).parameters:
        function.__signature__ = signature(function)
