# Scores the networks of a block on fresh trials.
rule evaluate:
    input:
        f"{ROOT}/jobs/train/{BLOCK}.json",
        tracking=ancient(f"{ROOT}/tracking.json"),
    output:
        f"{ROOT}/jobs/evaluate/{BLOCK}.json",
    params:
        identities=identities("training", "evaluation"),
    log:
        f"{ROOT}/logs/evaluate/{BLOCK}.log",
    benchmark:
        f"{ROOT}/benchmarks/evaluate/{BLOCK}.tsv"
    threads: 1
    resources:
        mem_mb=2000,
    conda:
        "../envs/ratecore.yaml"
    script:
        "../../scripts/evaluate.py"
