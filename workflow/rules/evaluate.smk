# Scores the networks of a block on fresh trials.
rule evaluate:
    input:
        f"{ROOT}/jobs/train/{BLOCK}.json",
    output:
        f"{ROOT}/jobs/evaluate/{BLOCK}.json",
    log:
        f"{ROOT}/logs/evaluate/{BLOCK}.log",
    benchmark:
        f"{ROOT}/benchmarks/evaluate/{BLOCK}.tsv"
    conda:
        "../envs/ratecore.yaml"
    threads: 1
    resources:
        mem_mb=memory,
        runtime=minutes_to_score,
    params:
        identities=identities("training", "evaluation"),
    script:
        "../../scripts/evaluate.py"
