"""The study as read from the configuration, and the look-ups that rules make in it."""

import hashlib
import json
import sys
from functools import cache
from inspect import isfunction, signature
from pathlib import Path
from types import SimpleNamespace

from snakemake.exceptions import WorkflowError

from knowledge_capacity.config import ConfigError
from knowledge_capacity.fingerprint import fingerprint
from knowledge_capacity.planning import asked
from knowledge_capacity.specs import STORED, Checkpoint, PythonModel, TransformersModel, to_json
from knowledge_capacity.experiments import paper_results
from knowledge_capacity.study import Study, experiment_modules

try:
    study = Study(config, workflow.configfiles, experiment_modules())
except ConfigError as error:
    raise unusable(error)


if workflow.is_main_process and not study.sources:
    for line in [*study.inherited, *study.implies()]:
        print(line, file=sys.stderr)


@cache
def code(*entries):
    """Fingerprint of the source that a script reaches, so that its jobs rerun when that changes."""
    return fingerprint(SCRIPTS, *entries)


def dataset_spec(wildcards):
    return to_json(study.datasets[wildcards.dataset])


def tokenizer_source(wildcards):
    """The files of a tokenizer that is taken from a folder."""
    folder = Path(study.datasets[wildcards.dataset].tokenizer)
    names = ("tokenizer.json", "vocab.json", "merges.txt")
    return [str(folder / name) for name in names if (folder / name).is_file()]


def tokenizer_code(wildcards):
    stored = study.datasets[wildcards.dataset].kind in STORED
    return code("tokenizer.py", *(["knowledge_capacity/data/prose.py"] if stored else []))


def train_device():
    """Whether jobs that train are given GPUs by a scheduler, as envs/slurm has it."""
    given = workflow.resource_settings.overwrite_resources.get("train") or {}
    values = [given[name] for name in ("gpu", "gres") if name in given]
    return "gpu" if any(str(getattr(value, "raw", value)) != "0" for value in values) else "cpu"


def train_minutes(wildcards):
    """What a run asks of a scheduler; 0, no limit, where jobs run on this machine."""
    scheduled = workflow.non_local_exec or workflow.remote_exec
    return asked.minutes(study.runs[wildcards.run], train_device()) if scheduled else 0


def train_memory(wildcards):
    return asked.memory(study.runs[wildcards.run], train_device())


def run_spec(wildcards):
    return to_json(study.runs[wildcards.run])


def run_people(wildcards):
    run = study.runs[wildcards.run]
    return f"results/data/{run.dataset.slug}/seed{run.seed}/people.parquet"


def run_tokenizer(wildcards):
    """That of the dataset; a checkpoint brings its own."""
    run = study.runs[wildcards.run]
    if isinstance(run.architecture, Checkpoint):
        return f"{run.architecture.folder}/tokenizer.json"
    return f"results/data/{run.dataset.slug}/tokenizer/tokenizer.json"


def run_checkpoint(wildcards):
    """The files of a model that is only measured; other models have none."""
    architecture = study.runs[wildcards.run].architecture
    if not isinstance(architecture, Checkpoint):
        return []
    folder = Path(architecture.folder)
    return [str(folder / "config.json"), *map(str, sorted(folder.glob("*.safetensors")))]


def model_code(wildcards):
    """Fingerprint of what a run has of its own: a model's files (a function's, with those beside it that it imports,
    or a config.json), and with qat the rounding and what is rounded."""
    run = study.runs[wildcards.run]
    rounding = ""
    if run.recipe.qat:
        rounding = code(*(f"knowledge_capacity/quantization/{name}.py" for name in ("rtn", "variants")))
    architecture = run.architecture
    if isinstance(architecture, TransformersModel) and architecture.config.endswith(".json"):
        return hashlib.sha256(Path(architecture.config).read_bytes()).hexdigest()[:12] + rounding
    if not isinstance(architecture, PythonModel):
        return rounding
    file = Path(architecture.function.rpartition(":")[0])
    return fingerprint(file.parent, file.name) + rounding


def encoded_texts(dataset, seed):
    """The files of the texts of bioR and bioG; other datasets have none."""
    names = ("tokens.npy", "terms.npy", "lengths.npy", "checksums.json") if dataset.kind in STORED else ()
    return [f"results/data/{dataset.slug}/seed{seed}/encoded/{name}" for name in names]


def run_texts(wildcards):
    run = study.runs[wildcards.run]
    return encoded_texts(run.dataset, run.seed)


def card_texts(wildcards):
    return encoded_texts(study.datasets[wildcards.dataset], 0)


def texts_option(files):
    """The option that tells a script the folder of these files, as words of a shell command."""
    return ["--texts", str(Path(files[0]).parent)] if files else []


def run_variants(wildcards):
    return [
        f"results/runs/{wildcards.run}/variants/{method}.safetensors"
        for method in study.methods(wildcards.run)
    ]


# the run that the error budget is made for
example = SimpleNamespace(run=study.example_run())


def run_scored(wildcards):
    return study.scored_people(wildcards.run)


def quantizer_specs(wildcards):
    specs = study.quantizers(wildcards.run, wildcards.method)
    return "[" + ", ".join(to_json(spec) for spec in specs) + "]"


def extraction_specs(wildcards):
    return "[" + ", ".join(to_json(spec) for spec in study.extractions(wildcards.run)) + "]"


def calibrated(wildcards):
    """Whether a method looks at the run's data; the others do not run again when these change."""
    return wildcards.method == "gptq"


def calibration_data(wildcards):
    """The files of the data that a method looks at."""
    if not calibrated(wildcards):
        return []
    return [run_people(wildcards), run_tokenizer(wildcards), *run_texts(wildcards)]


def calibration_options(wildcards):
    """The options that tell a script of these data, as words of a shell command."""
    if not calibrated(wildcards):
        return []
    files = ["--people", run_people(wildcards), "--tokenizer", run_tokenizer(wildcards)]
    return ["--run", run_spec(wildcards), *files, *texts_option(run_texts(wildcards))]


def calibration_gpu(wildcards):
    return int(calibrated(wildcards))


def method_code(wildcards):
    return code("quantize.py", f"knowledge_capacity/quantization/{wildcards.method}.py")


def result_named(wildcards):
    """Under which heading of the report an experiment stands."""
    numbers = [n for n, name in paper_results().items() if name == wildcards.experiment]
    return f"Result {numbers[0]:02}: {wildcards.experiment}" if numbers else "Further experiments"


def figure_files(experiments):
    return collect(
        "results/figures/{experiment}.{ending}",
        experiment=experiments,
        ending=["pdf", "svg", "png", "md", "html"],
    )


def drawn(wildcards):
    """The files of all figures: of the study's experiments or, with sources, of those that their measurements are for."""
    if not study.sources:
        return figure_files(study.experiments)
    from knowledge_capacity.capacity.asked import experiments_in

    found = experiments_in(Path(checkpoints.collect_sources.get().output[0]))
    return figure_files([name for name in experiment_modules() if name in found])


def result_files(number, experiment):
    """The files of one of the paper's results. Asked for where it is wanted, so that a study need not have all."""

    def files(wildcards):
        if experiment in study.experiments or study.sources:
            return figure_files([experiment])
        raise WorkflowError(
            f"Result {number} (the experiment {experiment}) is not part of this study. "
            f"Add it to the configuration; studies/small.yaml has all results."
        )

    return files


def scorecard_code():
    return code(
        "scorecard.py", *(f"knowledge_capacity/experiments/{name}.py" for name in experiment_modules())
    )


def figure_code(wildcards):
    return code("figure.py", f"knowledge_capacity/experiments/{wildcards.experiment}.py")


# Snakemake looks at the signature of each look-up for every job, again and again; kept, it need not be worked out.
for function in [value for value in globals().values() if isfunction(value)]:
    if "wildcards" in signature(function).parameters:
        function.__signature__ = signature(function)
