# Writes one table with one row per network.
rule summarize:
    input:
        f"{ROOT}/tracking.json",
        *(all_blocks(stage) for stage in last_of(CHOSEN)),
    output:
        # Missing while the table is partial, such as after a call that failed or was stopped.
        complete=f"{ROOT}/{TABLE_WRITTEN}",
        table=report(
            f"{ROOT}/summary.csv",
            caption="../report/summary.rst",
            category="Summary",
            labels={"table": "all networks"},
        ),
    log:
        f"{ROOT}/logs/summarize.log",
    benchmark:
        f"{ROOT}/benchmarks/summarize.tsv"
    localrule: True  # only the machine on which `snakemake` runs talks to MLflow
    conda:
        "../envs/ratecore.yaml"
    script:
        "../../scripts/summarize.py"
