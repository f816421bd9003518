# Converts a block's networks to spiking networks. Networks that are not trained are skipped; their record says why.
rule convert:
    input:
        f"{ROOT}/jobs/export/{BLOCK['export']}.json",
    output:
        f"{ROOT}/jobs/convert/{BLOCK['convert']}.json",
    log:
        f"{ROOT}/logs/convert/{BLOCK['convert']}.log",
    benchmark:
        f"{ROOT}/benchmarks/convert/{BLOCK['convert']}.tsv"
    conda:
        "../envs/ratecore.yaml"
    threads: experiment.settings.threads_per_job
    resources:
        mem_mb=memory,
        runtime=minutes_to_convert,
    params:
        identities=identities("convert"),
    script:
        "../../scripts/convert.py"
