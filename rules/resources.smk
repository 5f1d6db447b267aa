"""What jobs ask of a scheduler: what a command line or a profile sets for their stage, else what is expected.

A stage has a rule for each cell, and Snakemake knows nothing of what these have in common. So what is set is looked up
by the name of the stage: its resources and threads. (Groups are no way to have fewer jobs. Snakemake tells of them only
when all rules are read, Slurm's plugin makes the name of a file of all rules in one, and within the job of Slurm the
processors of a group are reckoned anew, without the limits that they were asked for by.)
"""

from functools import cache
from types import SimpleNamespace

from snakemake.common.tbdstring import TBDString

from knowledge_capacity.files import UserError
from knowledge_capacity.planning import job_resources, scheduler


@cache
def settings_of(stage):
    """What is set for a stage. Its resources are numbers, words, and functions for expressions about a job."""
    given = workflow.resource_settings.overwrite_resources.get(stage) or {}
    resources = {name: resource_value(value) for name, value in given.items()}
    try:
        resources = scheduler.spread_over_machines(resources) if stage == "train" else resources
    except UserError as error:
        raise WorkflowError(str(error))
    threads = workflow.resource_settings.overwrite_threads.get(stage, 1)
    return SimpleNamespace(resources=resources, threads=getattr(threads, "raw", threads))


def resource_value(resource):
    """A resource as a rule may have it."""
    if not hasattr(resource, "is_evaluable"):
        return resource
    if not resource.is_evaluable():
        return resource.value
    try:
        found = resource.evaluate(None, input=(), attempt=1, threads=1, rulename="", async_run=None).value
    except WorkflowError:  # it needs a job
        found = None
    if isinstance(found, str) and not isinstance(found, TBDString):
        return found

    def evaluate(wildcards, input, attempt, threads, rulename, async_run):
        about = dict(input=input, attempt=attempt, threads=threads, rulename=rulename, async_run=async_run)
        return resource.evaluate(wildcards, **about).value

    return evaluate


def resources_of(stage, minutes, **expected):
    """The resources of a stage's jobs: what is set, else what is expected. minutes: what a job with its wildcards is to have."""
    given = settings_of(stage).resources
    runtime = given.get("runtime")

    def limited_minutes(wildcards):
        if not is_scheduled():
            return runtime or 0
        partition = partition_of(stage)
        limit = scheduler.partition_minutes(partition)
        if runtime is None:
            return min(minutes(wildcards), limit or job_resources.LONGEST)
        if limit and runtime > limit:
            raise WorkflowError(
                f"{stage}:runtime={runtime}: {scheduler.describe_partition(partition)} allows {limit} minutes, and "
                f"Slurm would never start such a job. Set at most {limit}."
            )
        return runtime

    return expected | given | {"runtime": runtime if callable(runtime) else limited_minutes}


def is_scheduled():
    """To be asked when jobs are planned: when rules are read, Snakemake does not know yet how jobs run."""
    return workflow.non_local_exec or workflow.remote_exec


def partition_of(stage):
    """The partition that is named for a stage, if one is."""
    default = (workflow.resource_settings.default_resources or {}).get("slurm_partition")
    return settings_of(stage).resources.get("slurm_partition") or (
        resource_value(default) if default else None
    )


def train_device():
    """Whether jobs that train are given GPUs by a scheduler, as envs/slurm has it."""
    return "gpu" if scheduler.asks_for_gpu(settings_of("train").resources) else "cpu"


def training_minutes(runs, wildcards):
    """What a job that trains is expected to take."""
    return job_resources.training_minutes(runs, train_device())


def short_minutes(runs, wildcards):
    """What jobs that quantize, ask or measure are expected to take."""
    return job_resources.short_minutes(runs, train_device())


def people_minutes(dataset, n_seeds, wildcards):
    """What a job that draws people is expected to take."""
    return job_resources.people_minutes(dataset, n_seeds)


def tokenizer_minutes(wildcards):
    """What a job that makes a tokenizer is expected to take."""
    return job_resources.tokenizer_minutes()


def rewrites_minutes(wildcards):
    """What a job that has texts written is expected to take."""
    return job_resources.rewrites_minutes(study.datasets[wildcards.dataset])


def encode_minutes(wildcards):
    """What a job that tokenises texts is expected to take."""
    return job_resources.encode_minutes(study.datasets[wildcards.dataset])


def endpoint_jobs(wildcards):
    """How many jobs that ask a language model it counts as."""
    return int(study.datasets[wildcards.dataset].kind == "bioR")


def training_jobs():
    """The runs of each job that trains: those of a cell, or one alone where --set-resources train:apart=1 says so."""
    if str(settings_of("train").resources.get("apart", 0)) == "0":
        return study.cells
    return {run.slug: [run] for run in study.runs.values()}


trained_by = {
    workflow.modifier.modify_rulename(rule_name("train", name)): runs
    for name, runs in training_jobs().items()
}
