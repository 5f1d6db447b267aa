"""Figures and scorecard: each is a function of the measurements alone. Publishing keeps them under version control."""


rule figure:
    input:
        "results/measurements.parquet",
    output:
        multiext("results/figures/{experiment}", ".pdf", ".png", ".md"),
        report(
            "results/figures/{experiment}.svg",
            caption="captions/figure.rst",
            category=result_named,
            labels={"experiment": "{experiment}", "shows": "figure"},
        ),
        report(
            "results/figures/{experiment}.html",
            caption="captions/numbers.rst",
            category=result_named,
            labels={"experiment": "{experiment}", "shows": "numbers"},
        ),
    log:
        "results/logs/figure/{experiment}.log",
    localrule: True
    conda:
        "../envs/study.yaml"
    params:
        code=figure_code,
    message:
        "draw {wildcards.experiment}"
    shell:
        "python scripts/figure.py --experiment {wildcards.experiment:q} --measurements {input:q}"
        " --output results/figures/{wildcards.experiment:q} --log {log:q}"


rule scorecard:
    input:
        "results/measurements.parquet",
    output:
        multiext("results/scorecard", ".md", ".json"),
        report(
            "results/scorecard.html",
            caption="captions/scorecard.rst",
            category="Scorecard",
            labels={"shows": "every claim, with its verdict"},
        ),
    log:
        "results/logs/scorecard.log",
    localrule: True
    conda:
        "../envs/study.yaml"
    params:
        code=scorecard_code(),
    message:
        "judge the claims"
    shell:
        "python scripts/scorecard.py --measurements {input:q} --output results/scorecard --log {log:q}"


# All figures, and what they say of the paper's claims. With `source` in the configuration, nothing is trained for it.
rule figures:
    input:
        drawn,
        "results/scorecard.md",
    localrule: True


# One result of the paper by its number, such as result_07.
for number, experiment in paper_results().items():

    rule:
        name:
            f"result_{number:02}"
        input:
            result_files(number, experiment),
            "results/scorecard.md",
        localrule: True


# Adds the measurements to those in results/published, and draws all figures and the scorecard there anew.
rule publish:
    input:
        "results/measurements.parquet",
    log:
        "results/logs/publish.log",
    localrule: True
    conda:
        "../envs/study.yaml"
    message:
        "copy measurements and figures to results/published"
    shell:
        "python scripts/publish.py {input:q} --output results/published --log {log:q}"
