"""Training: one job per run. It resumes from a checkpoint beside its outputs, which Snakemake does not know.

How a job is run is a matter of its resources, not of the study, so that another way trains nothing anew:
--set-resources train:processes=4 trains each run with four processes, a GPU each (on processors, with
--set-threads train=4), and train:nodes=2 on two machines with so many each; train:runtime=240 gives it four hours,
shortly before which it saves its progress and ends, and with --retries goes on. gpu_slots are for envs/gpu.
"""


rule train:
    input:
        people=run_people,
        texts=run_texts,
        tokenizer=run_tokenizer,
        checkpoint=run_checkpoint,
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
    resources:
        processes=1,
        nodes=1,
        runtime=train_minutes,
        mem_mb=train_memory,
        gpu_slots=1,
    params:
        code=code("train.py"),
        model=model_code,
        run=run_spec,
        texts=lambda wildcards: texts_option(run_texts(wildcards)),
    message:
        "train {wildcards.run}"
    shell:
        "python scripts/train.py --run {params.run:q} --people {input.people:q} --tokenizer {input.tokenizer:q}"
        " {params.texts:q} --output results/runs/{wildcards.run:q} --code {params.code}{params.model}"
        " --threads {threads} --processes {resources.processes} --nodes {resources.nodes}"
        " --time-limit $((60 * {resources.runtime}))"
        " --log {log:q}"
