# The study, from people to figures. What it consists of is in config.yaml; README.md says how to run it.

import gc

from snakemake.utils import min_version

min_version("9.20")

# thousands of rules and jobs are many objects that all stay: looking through them for garbage takes a fifth of a dry run
gc.disable()


include: "rules/check.smk"


configfile: CONFIG or "config.yaml"


wildcard_constraints:
    dataset=r"[^/]+",
    seed=r"\d+",
    run=r"[^/]+/[^/]+/[^/]+/seed\d+",
    method=r"\w+",


include: "rules/common.smk"
include: "rules/resources.smk"
include: "rules/data.smk"
include: "rules/train.smk"
include: "rules/quantize.smk"
include: "rules/extraction.smk"
include: "rules/measure.smk"
include: "rules/figures.smk"
include: "rules/report.smk"


report: "rules/captions/workflow.rst"


# Everything the study asks for: the figures of its experiments, the scorecard, and the error budget of one of its runs.
rule all:
    default_target: True
    input:
        figure_files(drawn),
        "results/scorecard.md",
        "results/explorer.html",
        [] if study.sources else "results/error_budget.md",
    localrule: True
    message:  # without one, Snakemake lists all inputs
        "everything is there"


rule results:
    input:
        rules.all.input,
    localrule: True
    message:
        "everything is there"


# what `--logger study` is told, so that it can say how long the rest takes
if "snakemake_logger_plugin_study" in sys.modules:
    sys.modules["snakemake_logger_plugin_study"].estimates.append(train_seconds)


# each rule leaves a function here, and Snakemake copies all of these several times for each job
for name in [name for name in globals() if name.startswith("__") and "." in name]:
    del globals()[name]

gc.freeze()
gc.set_threshold(500_000, 50, 50)
gc.enable()


# after a failure, an interruption, or a signal to end
onerror:
    print(
        "Not finished. The same command again goes on from here: what is done stays, training resumes.",
        file=sys.stderr,
    )
