# Creates the MLflow database and the experiment first, so that problems with them are reported before training starts.
# Only the table depends on this rule: with another store, or in a moved folder, all records are sent and no stage runs again.
# Processes that create a database at the same time take turns (`tracking.mlflow.Mirror`).
rule init_tracking:
    input:
        mark_stale_files,
    output:
        f"{ROOT}/tracking.json",
    log:
        f"{ROOT}/logs/init_tracking.log",
    benchmark:
        f"{ROOT}/benchmarks/init_tracking.tsv"
    priority: 1
    localrule: True  # only the machine on which `snakemake` runs talks to MLflow
    conda:
        "../envs/ratecore.yaml"
    params:
        uri=stored_uri(uri, experiment.settings.results),  # None for the store that follows the folder
    script:
        "../../scripts/init_tracking.py"
