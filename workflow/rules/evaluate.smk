# Evaluates the networks of a block on fresh trials.
stage = job_of("evaluate")


rule evaluate:
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
