"""Extraction: one job teaches a run to answer questions about half of its people, and asks about the others."""


rule extract:
    input:
        model="results/runs/{run}/model.safetensors",
        record="results/runs/{run}/run.json",
        people=run_people,
        texts=run_texts,
        tokenizer=run_tokenizer,
    output:
        measurements="results/runs/{run}/extraction.parquet",
        answers="results/runs/{run}/answers.parquet",
    log:
        "results/logs/extract/{run}.log",
    conda:
        "../envs/study.yaml"
    threads: 1
    resources:
        gpu_slots=1,
    params:
        code=code("extract.py"),
        model=model_code,
        run=run_spec,
        questions=extraction_specs,
        texts=lambda wildcards: texts_option(run_texts(wildcards)),
    message:
        "ask {wildcards.run}"
    shell:
        "python scripts/extract.py --run {params.run:q} --model {input.model:q} --record {input.record:q}"
        " --people {input.people:q} --tokenizer {input.tokenizer:q} {params.texts:q} --questions {params.questions:q}"
        " --output {output.measurements:q} --answers {output.answers:q} --code {params.code} --threads {threads}"
        " --log {log:q}"
