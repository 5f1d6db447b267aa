"""Data: the people of a dataset, and the tokenizer of its biographies.

On request (`make cards`; `all` leaves them out), a card of each dataset: its bits, and biographies to look at.
"""


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
    input:
        tokenizer_source,
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


rule data_card:
    input:
        people="results/data/{dataset}/seed0/people.parquet",
        tokenizer="results/data/{dataset}/tokenizer/tokenizer.json",
    output:
        multiext("results/data/{dataset}/card", ".html", ".json"),
    log:
        "results/logs/data_card/{dataset}.log",
    conda:
        "../envs/study.yaml"
    params:
        code=code("data_card.py"),
        dataset=dataset_spec,
    shell:
        "python scripts/data_card.py --dataset {params.dataset:q} --people {input.people:q}"
        " --tokenizer {input.tokenizer:q} --seed 0 --output results/data/{wildcards.dataset:q}/card --log {log:q}"


rule data_cards:
    input:
        collect("results/data/{dataset}/card.html", dataset=study.datasets),
    localrule: True
