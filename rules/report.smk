"""Reports: a page to explore all measurements with. Snakemake's own report (make report) puts all pages into one file."""


rule explorer:
    input:
        measurements="results/measurements.parquet",
        scorecard="results/scorecard.json",
        logs=training_logs(),
        figures=figure_files(drawn),  # its table of claims links to those that are there
    output:
        report(
            "results/explorer.html",
            caption="captions/explorer.rst",
            category="Explorer",
            labels={"shows": "all measurements"},
        ),
    log:
        "results/logs/explorer.log",
    localrule: True
    conda:
        "../envs/study.yaml"
    params:
        code=code("explorer.py"),
    message:
        "the page with all measurements"
    shell:
        command(
            "python scripts/explorer.py --measurements {input.measurements:q} --results results --output {output:q}"
            " --log {log:q}"
        )
