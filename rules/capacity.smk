"""Capacity: one job measures all variants of a run; the measurements are then collected into one table."""


rule capacity:
    input:
        model="results/runs/{run}/model.safetensors",
        record="results/runs/{run}/run.json",
        variants=run_variants,
        people=run_people,
        texts=run_texts,
        tokenizer=run_tokenizer,
    output:
        "results/runs/{run}/measurements.parquet",
    log:
        "results/logs/capacity/{run}.log",
    conda:
        "../envs/study.yaml"
    threads: 1
    resources:
        gpu_slots=1,
    params:
        code=code("capacity.py"),
        model=model_code,
        run=run_spec,
        texts=lambda wildcards: texts_option(run_texts(wildcards)),
        scored=run_scored,
    message:
        "measure {wildcards.run}"
    shell:
        "python scripts/capacity.py --run {params.run:q} --model {input.model:q} --record {input.record:q}"
        " --variants {input.variants:q} --people {input.people:q} --tokenizer {input.tokenizer:q} {params.texts:q}"
        " --scored-people {params.scored} --output {output:q} --code {params.code} --threads {threads} --log {log:q}"


# How one run's bits per parameter move with each convention of the measurement: which run, `study.example_run` says.
rule conventions:
    input:
        model=f"results/runs/{example.run}/model.safetensors",
        record=f"results/runs/{example.run}/run.json",
        people=run_people(example),
        texts=run_texts(example),
        tokenizer=run_tokenizer(example),
    output:
        multiext("results/conventions", ".md", ".json"),
        report(
            "results/conventions.png",
            caption="captions/conventions.rst",
            category="Error budget",
            labels={"shows": "change of R with each convention"},
        ),
    log:
        "results/logs/conventions.log",
    conda:
        "../envs/study.yaml"
    threads: 1
    resources:
        gpu_slots=1,
    params:
        code=code("conventions.py"),
        model=model_code(example),
        run=run_spec(example),
        texts=texts_option(run_texts(example)),
        scored=run_scored(example),
    message:
        "how conventions move one run's bits per parameter"
    shell:
        "python scripts/conventions.py --run {params.run:q} --model {input.model:q} --record {input.record:q}"
        " --people {input.people:q} --tokenizer {input.tokenizer:q} {params.texts:q}"
        " --scored-people {params.scored} --output results/conventions --threads {threads} --log {log:q}"


# All measurements in one table, from which every figure is drawn: of the study's runs or, with `source` in the
# configuration, of measurements that were made before. Only then is it known which experiments these are for.
if study.sources:

    checkpoint collect_sources:
        input:
            study.source_files(),
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
        message:
            "gather the measurements of other studies"
        shell:
            "python scripts/collect.py --sources {params.sources:q} --output {output:q} --log {log:q}"

else:

    rule collect_study:
        input:
            study.measurements(),
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
            "python scripts/collect.py --asked {params.asked:q} --output {output:q} --log {log:q}"
