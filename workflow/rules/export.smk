# Writes the .mat and .pth files of a block's networks.
rule export:
    input:
        f"{ROOT}/jobs/evaluate/{BLOCK}.json",
    output:
        f"{ROOT}/jobs/export/{BLOCK}.json",
    log:
        f"{ROOT}/logs/export/{BLOCK}.log",
    benchmark:
        f"{ROOT}/benchmarks/export/{BLOCK}.tsv"
    conda:
        "../envs/ratecore.yaml"
    threads: 1
    resources:
        mem_mb=memory,
        runtime=minutes_to_score,
    params:
        identities=identities("training", "evaluation"),
    script:
        "../../scripts/export.py"
