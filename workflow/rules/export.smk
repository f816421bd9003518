# Writes the .mat and .pth files of a block's networks.
rule export:
    input:
        f"{ROOT}/jobs/evaluate/{BLOCK['evaluate']}.json",
    output:
        f"{ROOT}/jobs/export/{BLOCK['export']}.json",
    log:
        f"{ROOT}/logs/export/{BLOCK['export']}.log",
    benchmark:
        f"{ROOT}/benchmarks/export/{BLOCK['export']}.tsv"
    conda:
        "../envs/ratecore.yaml"
    threads: 1
    resources:
        mem_mb=memory,
        runtime=minutes_to_score,
    params:
        identities=identities("export"),
    script:
        "../../scripts/export.py"
