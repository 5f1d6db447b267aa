"""Training: one job per run. It resumes from a checkpoint beside its outputs, which Snakemake does not know."""


rule train:
    input:
        people=run_people,
        texts=run_texts,
        tokenizer=run_tokenizer,
    output:
        model="results/runs/{run}/model.safetensors",
        config="results/runs/{run}/config.json",
        record="results/runs/{run}/run.json",
        training="results/runs/{run}/training.parquet",
        tokenizer=multiext("results/runs/{run}/tokenizer", ".json", "_config.json"),
    log:
        "results/logs/train/{run}.log",
    benchmark:
        "results/benchmarks/train/{run}.jsonl"
    conda:
        "../envs/study.yaml"
    threads: 1
    params:
        code=code("train.py"),
        run=run_spec,
        texts=lambda wildcards: texts_option(run_texts(wildcards)),
    shell:
        "python scripts/train.py --run {params.run:q} --people {input.people:q}"
        " --tokenizer {input.tokenizer:q} {params.texts:q}"
        " --output results/runs/{wildcards.run:q} --code {params.code} --threads {threads} --log {log:q}"
