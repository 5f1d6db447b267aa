"""Data: the people of a dataset, the texts about them where these are stored, and their tokenizer.

On request (`make cards`; `all` leaves them out), a card of each dataset: its bits, and biographies to look at.
"""

# One job draws the people of a dataset for all its seeds. Those of seeds that were added since have a job of their own, so
# that jobs which read others do not start. (Snakemake's `ancient` is no way: it overlooks what else such jobs are to do.)
for name, (dataset, seeds) in people_jobs().items():
    people = [layout.people_file(study.datasets[dataset], seed) for seed in seeds]

    rule:
        name:
            rule_name("people", name)
        output:
            in_results(*people),
        log:
            f"results/logs/people/{name}.log",
        conda:
            "../envs/study.yaml"
        resources:
            **resources_of("people", partial(people_minutes, study.datasets[dataset], len(seeds))),
        params:
            code=code("people.py"),
            dataset=to_json(study.datasets[dataset]),
        message:
            f"draw {dataset}, {'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}"
        shell:
            command("python scripts/people.py --dataset {params.dataset:q} --output {output:q} --log {log:q}")

    note_outputs(rule_name("people", name), people)


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
    resources:
        **resources_of("tokenizer", tokenizer_minutes),
    params:
        code=tokenizer_code,
        dataset=dataset_spec,
    message:
        "the tokenizer of {wildcards.dataset}"
    shell:
        command(
            "python scripts/tokenizer.py --dataset {params.dataset:q} --output {output.tokenizer:q} --log {log:q}"
        )


# The texts of bioR and bioG. Shards stay beside the list of them, so that what was written is never asked for again. With
# a storage provider, what writes and reads them runs where Snakemake does, for they are in no storage.
rule rewrites:
    input:
        "results/data/{dataset}/seed{seed}/people.parquet",
    output:
        "results/data/{dataset}/seed{seed}/rewrites.json",
    log:
        "results/logs/rewrites/{dataset}/seed{seed}.log",
    localrule: IN_STORAGE
    conda:
        "../envs/study.yaml"
    resources:
        **resources_of("rewrites", rewrites_minutes, endpoint=endpoint_jobs),
    params:
        code=code("rewrites.py"),
        dataset=dataset_spec,
    message:
        "have the texts of {wildcards.dataset} written, seed {wildcards.seed}"
    shell:
        command(
            "python scripts/rewrites.py --dataset {params.dataset:q} --people {input:q} --seed {wildcards.seed}"
            " --output {output:q} --code {params.code} --endpoint envs/endpoint.yaml --log {log:q}"
        )


rule encode:
    input:
        rewrites="results/data/{dataset}/seed{seed}/rewrites.json",
        tokenizer="results/data/{dataset}/tokenizer/tokenizer.json",
    output:
        multiext(
            "results/data/{dataset}/seed{seed}/encoded/",
            "tokens.npy",
            "terms.npy",
            "lengths.npy",
            "checksums.json",
        ),
    log:
        "results/logs/encode/{dataset}/seed{seed}.log",
    localrule: IN_STORAGE
    conda:
        "../envs/study.yaml"
    resources:
        **resources_of("encode", encode_minutes),
    params:
        code=code("encode.py"),
        dataset=dataset_spec,
    message:
        "tokenise the texts of {wildcards.dataset}, seed {wildcards.seed}"
    shell:
        command(
            "python scripts/encode.py --dataset {params.dataset:q} --rewrites {input.rewrites:q} --seed {wildcards.seed}"
            " --tokenizer {input.tokenizer:q} --output results/data/{wildcards.dataset:q}/seed{wildcards.seed}/encoded"
            " --log {log:q}"
        )


rule data_card:
    input:
        people=card_people,
        texts=card_texts,
        rewrites=card_rewrites,
        tokenizer="results/data/{dataset}/tokenizer/tokenizer.json",
    output:
        multiext("results/data/{dataset}/card", ".html", ".json"),
    log:
        "results/logs/data_card/{dataset}.log",
    localrule: IN_STORAGE
    conda:
        "../envs/study.yaml"
    params:
        code=code("data_card.py"),
        dataset=dataset_spec,
        texts=lambda wildcards: texts_option(card_texts(wildcards)),
        seed=card_seed,
    message:
        "a page about {wildcards.dataset}"
    shell:
        command(
            "python scripts/data_card.py --dataset {params.dataset:q} --people {input.people:q} {params.texts:q}"
            " --tokenizer {input.tokenizer:q} --seed {params.seed} --output results/data/{wildcards.dataset:q}/card"
            " --log {log:q}"
        )


rule data_cards:
    input:
        collect("results/data/{dataset}/card.html", dataset=study.datasets),
    localrule: True
    message:
        "all pages about datasets are there"
