# The MLflow database and the experiment are made at once, and what is wrong with them is said before anything is trained.
# Only the table depends on it: another store, or a folder that was moved, gets all records there and runs no stage again.
# Two processes that make a database at the same time take turns (`tracking.mlflow.Mirror`).
rule init_tracking:
    input:
        look_at_what_is_there,
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
