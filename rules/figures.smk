"""Figures: each is a function of the measurements alone."""


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
