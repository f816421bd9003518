# Trains a block of seeds of one grid point. A network that is whole already is left alone.
rule train:
    input:
        ancient(f"{ROOT}/tracking.json"),
    output:
        f"{ROOT}/jobs/train/{BLOCK}.json",
    params:
        identities=identities("training"),
    log:
        f"{ROOT}/logs/train/{BLOCK}.log",
    benchmark:
        f"{ROOT}/benchmarks/train/{BLOCK}.tsv"
    threads: 1
    resources:
        gpu=gpus,
        mem_mb=2000,
    conda:
        "../envs/ratecore.yaml"
    script:
        "../../scripts/train.py"
