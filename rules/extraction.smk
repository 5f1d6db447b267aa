"""Extraction: one job teaches a cell's runs to answer questions about half of their people, and asks about the others."""

settings = settings_of("extract")
for task in study.questionings():

    rule:
        name:
            rule_name("extract", task.name)
        input:
            in_results(*trained_of(task.runs)),
            data_of(task.runs),
        output:
            measurements=updated(in_results(*map(layout.extraction_file, task.runs))),
            answers=updated(in_results(*map(layout.answers_file, task.runs))),
        log:
            f"results/logs/extract/{task.name}.log",
        conda:
            "../envs/study.yaml"
        threads: settings.threads
        resources:
            **resources_of("extract", partial(short_minutes, task.runs), gpu_slots=1),
        params:
            code=code("extract.py"),
            cell=cell_to_json(task.runs),
            questions=specs_json(task.specs),
        message:
            f"ask {task.name}"
        shell:
            command(
                "python scripts/extract.py --cell {params.cell:q} --results results --questions {params.questions:q}"
                " --code {params.code} --threads {threads} --log {log:q}"
            )

    note_outputs(rule_name("extract", task.name), map(layout.extraction_file, task.runs))
