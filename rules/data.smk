"""Data: the people of a dataset, and the tokenizer of its biographies."""


rule people:
    output:
        "results/data/{dataset}/seed{seed}/people.parquet",
    log:
        "results/logs/people/{dataset}/seed{seed}.log",
    conda:
        "../envs/study.yaml"
    params:
        code=code("people.py"),
        dataset=dataset_spec,
    shell:
        "python scripts/people.py --dataset {params.dataset:q} --seed {wildcards.seed} --output {output:q} --log {log:q}"


rule tokenizer:
    output:
        tokenizer="results/data/{dataset}/tokenizer/tokenizer.json",
        config="results/data/{dataset}/tokenizer/tokenizer_config.json",
    log:
        "results/logs/tokenizer/{dataset}.log",
    conda:
        "../envs/study.yaml"
    params:
        code=code("tokenizer.py"),
        dataset=dataset_spec,
    shell:
        "python scripts/tokenizer.py --dataset {params.dataset:q} --output {output.tokenizer:q} --log {log:q}"
