# The MLflow database and the experiment are made once, before any job works in parallel.
rule init_tracking:
    output:
        f"{ROOT}/tracking.json",
    log:
        f"{ROOT}/logs/init_tracking.log",
    benchmark:
        f"{ROOT}/benchmarks/init_tracking.tsv"
    conda:
        "../envs/ratecore.yaml"
    script:
        "../../scripts/init_tracking.py"
