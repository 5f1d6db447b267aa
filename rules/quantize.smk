"""Quantisation: one job per run and method makes that method's variants at every precision asked for."""


rule quantize:
    input:
        model="results/runs/{run}/model.safetensors",
        config="results/runs/{run}/config.json",
        data=calibration_data,
    output:
        "results/runs/{run}/variants/{method}.safetensors",
    log:
        "results/logs/quantize/{run}/{method}.log",
    conda:
        "../envs/study.yaml"
    threads: 1
    resources:
        gpu_slots=calibration_gpu,
    params:
        code=method_code,
        quantizers=quantizer_specs,
        data=calibration_options,
    message:
        "quantise {wildcards.run} with {wildcards.method}"
    shell:
        "python scripts/quantize.py --model {input.model:q} --quantizers {params.quantizers:q} {params.data:q}"
        " --output {output:q} --threads {threads} --log {log:q}"
