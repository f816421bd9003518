# Writes the .mat and .pth files of a block's networks.
stage = job_of("export")


rule export:
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
        mem_mb=memory,
        runtime=stage.minutes,
    params:
        stage=stage.name,
        identities=stage.identities,
    script:
        "../../scripts/stage.py"
