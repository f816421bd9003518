# Trains a block of seeds of one grid point. Complete networks are left alone.
stage = job_of("train")


rule train:
    input:
        stage.inputs,
        starts_of_block,
        mark_stale_files,
    output:
        stage.output,
    log:
        stage.log,
    benchmark:
        stage.benchmark
    conda:
        "../envs/ratecore.yaml"
    threads: stage.threads
    resources:
        gpu=gpus,
        mem_mb=memory_to_train,
        runtime=stage.minutes,
    params:
        stage=stage.name,
        identities=stage.identities,
    script:
        "../../scripts/stage.py"
