# Converts a block's networks to spiking networks. Networks that are not trained are skipped; their record says why.
stage = job_of("convert")


rule convert:
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
