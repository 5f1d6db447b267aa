"""Quantisation: one job per run and method makes that method's variants at every precision asked for."""


rule quantize:
    input:
        model="results/runs/{run}/model.safetensors",
        config="results/runs/{run}/config.json",
    output:
        "results/runs/{run}/variants/{method}.safetensors",
    log:
        "results/logs/quantize/{run}/{method}.log",
    conda:
        "../envs/study.yaml"
    params:
        code=method_code,
        quantizers=quantizer_specs,
    shell:
        "python scripts/quantize.py --model {input.model:q}"
        " --quantizers {params.quantizers:q} --output {output:q} --log {log:q}"
