# One table with a row for every network.
rule summarize:
    input:
        f"{ROOT}/tracking.json",
        *(all_blocks(stage) for stage in last_of(CHOSEN)),
    output:
        # Not there while the table only says how far the grid has come, as after a call that broke or was stopped.
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
