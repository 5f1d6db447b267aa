"""Quantisation: one job per run and method makes that method's variants at every precision asked for."""


rule quantize:
    input:
        "results/runs/{run}/model.safetensors",
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
        "python scripts/quantize.py --model {input:q} --quantizers {params.quantizers:q} --output {output:q} --log {log:q}"
