"""Figures and scorecard: each is a function of the measurements alone. Publishing keeps them under version control."""


# One process draws all figures, and of those that are there only the ones whose code or measurements have changed. It
# judges the claims as well: that takes less time than to start another process.
rule draw:
    input:
        "results/measurements.parquet",
    output:
        updated(figure_files(drawn, ["pdf", "png", "md"])),
        [
            report(
                *updated([f"results/figures/{experiment}.{ending}"]),
                caption=f"captions/{shows}.rst",
                category=result_named(experiment),
                labels={"experiment": experiment, "shows": shows},
            )
            for experiment in drawn
            for ending, shows in [("svg", "figure"), ("html", "numbers")]
        ],
        multiext("results/scorecard", ".md", ".json"),
        report(
            "results/scorecard.html",
            caption="captions/scorecard.rst",
            category="Scorecard",
            labels={"shows": "every claim, with its verdict"},
        ),
    log:
        "results/logs/figures.log",
    localrule: True
    conda:
        "../envs/study.yaml"
    params:
        code=[f"{experiment}={figure_fingerprint(SCRIPTS, experiment)}" for experiment in drawn],
        judge=scorecard_fingerprint(SCRIPTS, list_experiments()),
    message:
        "draw the figures that are out of date, and judge the claims"
    shell:
        command(
            "python scripts/draw.py --experiments {params.code:q} --measurements {input:q} --output results/figures"
            " --scorecard results/scorecard --log {log:q}"
        )


# All figures, and what they say of the paper's claims. With `source` in the configuration, nothing is trained for it.
rule figures:
    input:
        figure_files(drawn),
        "results/scorecard.md",
    localrule: True
    message:
        "all figures are there"


# One result of the paper by its number, such as result_07.
for number, experiment in PAPER_RESULTS.items():

    rule:
        name:
            f"result_{number:02}"
        input:
            result_files(number, experiment),
            "results/scorecard.md",
        localrule: True
        message:
            f"result {number} is there"


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
        command("python scripts/publish.py {input:q} --output results/published --log {log:q}")
