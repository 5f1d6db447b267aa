"""Training: one job per cell, which is all runs that differ in seed and learning rate alone.

On processors a job trains its runs in turn. --set-resources train:apart=1 makes a job of each run, so that the seeds of
one model keep several cores busy.

A run keeps its files, and is trained again only where they are not what the study asks for: `update` leaves them in
place for scripts/train.py to look at. A run under way resumes from a checkpoint beside its outputs, which Snakemake
does not know.

How a job is run is a matter of its resources, not of the study, so that another way trains nothing anew:
--set-resources train:processes=4 trains each run with four processes, a GPU each (on processors, with
--set-threads train=4), and train:nodes=2 on two machines with so many each; train:runtime=240 gives it four hours,
shortly before which it saves its progress and ends, and with --retries goes on; train:stack=4 trains up to four runs
of a cell in one step, in place of as many as pay on the device. gpu_slots are for envs/gpu.
"""

settings = settings_of("train")
for name, runs in training_jobs().items():

    rule:
        name:
            rule_name("train", name)
        input:
            data_of(runs),
            checkpoint_of(runs),
        output:
            updated(in_results(*chain.from_iterable(map(layout.trained_files, runs)))),
        log:
            f"results/logs/train/{name}.log",
        benchmark:
            f"results/benchmarks/train/{name}.jsonl"
        conda:
            "../envs/study.yaml"
        threads: settings.threads
        resources:
            **resources_of(
                "train",
                partial(training_minutes, runs),
                processes=1,
                nodes=1,
                stack=0,
                mem_mb=job_resources.training_memory(runs, train_device()),
                gpu_slots=1,
            ),
        params:
            code=code("train.py") + own_fingerprint(SCRIPTS, runs[0]),
            cell=cell_to_json(runs),
        message:
            f"train {name}"
        shell:
            command(
                "python scripts/train.py --cell {params.cell:q} --results results --code {params.code}"
                " --threads {threads} --processes {resources.processes} --nodes {resources.nodes}"
                " --stack {resources.stack}"
                " --time-limit $((60 * {resources.runtime})) --log {log:q}"
            )

    note_outputs(rule_name("train", name), trained_of(runs))
