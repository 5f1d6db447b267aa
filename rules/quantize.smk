"""Quantisation: one job per cell and method makes that method's variants at every precision asked for."""

settings = settings_of("quantize")
for task in study.quantizations():
    variants = [layout.variants_file(run, task.specs[0].method) for run in task.runs]

    rule:
        name:
            rule_name("quantize", task.name)
        input:
            in_results(*trained_of(task.runs)),
            data_of(task.runs) if task.specs[0].sees_data else [],
        output:
            updated(in_results(*variants)),
        log:
            f"results/logs/quantize/{task.name}.log",
        conda:
            "../envs/study.yaml"
        threads: settings.threads
        resources:
            **resources_of(
                "quantize", partial(short_minutes, task.runs), gpu_slots=int(task.specs[0].sees_data)
            ),
        params:
            code=method_fingerprint(SCRIPTS, task.specs[0].method),
            cell=cell_to_json(task.runs),
            quantizers=specs_json(task.specs),
        message:
            f"quantise {task.name}"
        shell:
            command(
                "python scripts/quantize.py --cell {params.cell:q} --results results --quantizers {params.quantizers:q}"
                " --code {params.code} --threads {threads} --log {log:q}"
            )

    note_outputs(rule_name("quantize", task.name), variants)
