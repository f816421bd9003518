# Evaluates the networks of a block on fresh trials.
rule evaluate:
    input:
        f"{ROOT}/jobs/train/{BLOCK['train']}.json",
    output:
        f"{ROOT}/jobs/evaluate/{BLOCK['evaluate']}.json",
    log:
        f"{ROOT}/logs/evaluate/{BLOCK['evaluate']}.log",
    benchmark:
        f"{ROOT}/benchmarks/evaluate/{BLOCK['evaluate']}.tsv"
    conda:
        "../envs/ratecore.yaml"
    threads: 1
    resources:
        mem_mb=memory,
        runtime=minutes_to_score,
    params:
        identities=identities("evaluate"),
    script:
        "../../scripts/evaluate.py"
