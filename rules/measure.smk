"""Measuring: one job measures all variants of a cell's runs; the measurements are then collected into one table."""

settings = settings_of("measure")
for cell, runs in study.cells.items():

    rule:
        name:
            rule_name("measure", cell)
        input:
            in_results(*trained_of(runs)),
            data_of(runs),
            variants=variants_of(runs),
        output:
            updated(in_results(*map(layout.measurements_file, runs))),
        log:
            f"results/logs/measure/{cell}.log",
        conda:
            "../envs/study.yaml"
        threads: settings.threads
        resources:
            **resources_of("measure", partial(short_minutes, runs), gpu_slots=1),
        params:
            code=code("measure.py"),
            cell=cell_specs(cell),
            scored=study.scored_people(runs[0].slug),
        message:
            f"measure {cell}"
        shell:
            command(
                "python scripts/measure.py --cell {params.cell:q} --results results --variants {input.variants:q}"
                " --scored-people {params.scored} --code {params.code} --threads {threads} --log {log:q}"
            )

    note_outputs(rule_name("measure", cell), map(layout.measurements_file, runs))


# How one run's bits per parameter move with each convention of the measurement: which run, `study.example_run` says.
rule error_budget:
    input:
        in_results(*trained_of([example])),
        data_of([example]),
    output:
        multiext("results/error_budget", ".md", ".json"),
        report(
            "results/error_budget.png",
            caption="captions/error_budget.rst",
            category="Error budget",
            labels={"shows": "change of R with each convention"},
        ),
    log:
        "results/logs/error_budget.log",
    conda:
        "../envs/study.yaml"
    threads: 1
    resources:
        gpu_slots=1,
    params:
        code=code("error_budget.py"),
        run=to_json(example),
        scored=study.scored_people(example.slug),
    message:
        "how conventions move one run's bits per parameter"
    shell:
        command(
            "python scripts/error_budget.py --run {params.run:q} --results results --scored-people {params.scored}"
            " --output results/error_budget --threads {threads} --log {log:q}"
        )


# All measurements in one table, from which every figure is drawn: of the study's runs or, with `source` in the
# configuration, of measurements that were made before.
if study.sources:

    rule collect_sources:
        input:
            [local(file) for file in study.source_files(Path(KEPT))],
        output:
            "results/measurements.parquet",
        log:
            "results/logs/collect.log",
        localrule: True
        conda:
            "../envs/study.yaml"
        params:
            code=code("collect.py"),
            sources=study.sources,
            kept=KEPT,
        message:
            "gather the measurements of other studies"
        shell:
            command(
                "python scripts/collect.py --sources {params.sources:q} --results {params.kept:q} --output {output:q} --log {log:q}"
            )

else:

    rule collect_study:
        input:
            [made[file] for file in study.measurements()],
        output:
            "results/measurements.parquet",
        log:
            "results/logs/collect.log",
        localrule: True
        conda:
            "../envs/study.yaml"
        params:
            code=code("collect.py"),
            asked=json.dumps(study.asked()),
        message:
            "gather all measurements"
        shell:
            command(
                "python scripts/collect.py --asked {params.asked:q} --results results --output {output:q} --log {log:q}"
            )
