# Trains a block of seeds of one grid point. Complete networks are left alone.
rule train:
    input:
        look_at_what_is_there,
    output:
        f"{ROOT}/jobs/train/{BLOCK['train']}.json",
    log:
        f"{ROOT}/logs/train/{BLOCK['train']}.log",
    benchmark:
        f"{ROOT}/benchmarks/train/{BLOCK['train']}.tsv"
    conda:
        "../envs/ratecore.yaml"
    threads: experiment.settings.threads_per_job
    resources:
        gpu=gpus,
        mem_mb=memory_to_train,
        runtime=minutes,
    params:
        identities=identities("train"),
    script:
        "../../scripts/train.py"
