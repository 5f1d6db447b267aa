"""Figures: each is a function of the measurements alone. Publishing keeps both under version control."""


rule figure:
    input:
        "results/measurements.parquet",
    output:
        multiext("results/figures/{experiment}", ".pdf", ".svg", ".png", ".md"),
    log:
        "results/logs/figure/{experiment}.log",
    localrule: True
    conda:
        "../envs/study.yaml"
    params:
        code=figure_code,
    shell:
        "python scripts/figure.py --experiment {wildcards.experiment} --measurements {input:q}"
        " --output results/figures/{wildcards.experiment} --log {log:q}"


rule publish:
    input:
        measurements="results/measurements.parquet",
        figures=collect(
            "results/figures/{experiment}.{ending}", experiment=study.experiments, ending=["png", "md"]
        ),
    output:
        measurements="results/published/measurements.parquet",
        figures=collect(
            "results/published/{experiment}.{ending}", experiment=study.experiments, ending=["png", "md"]
        ),
    log:
        "results/logs/publish.log",
    localrule: True
    conda:
        "../envs/study.yaml"
    shell:
        "cp -v {input.measurements:q} {input.figures:q} results/published > {log:q}"
