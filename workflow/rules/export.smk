# Writes the .mat and .pth files of a block's networks.
rule export:
    input:
        f"{ROOT}/jobs/evaluate/{BLOCK}.json",
        tracking=ancient(f"{ROOT}/tracking.json"),
    output:
        f"{ROOT}/jobs/export/{BLOCK}.json",
    params:
        identities=identities("training", "evaluation"),
    log:
        f"{ROOT}/logs/export/{BLOCK}.log",
    benchmark:
        f"{ROOT}/benchmarks/export/{BLOCK}.tsv"
    threads: 1
    resources:
        mem_mb=2000,
    conda:
        "../envs/ratecore.yaml"
    script:
        "../../scripts/export.py"
