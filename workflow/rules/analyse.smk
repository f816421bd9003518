# Analyses the networks of a block.
stage = job_of("analyse")


rule analyse:
    input:
        stage.inputs,
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
        mem_mb=memory_to_analyse,
        runtime=stage.minutes,
    params:
        stage=stage.name,
        identities=stage.identities,
    script:
        "../../scripts/stage.py"
