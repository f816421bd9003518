# The MLflow database and the experiment are made once, before any job works in parallel. Another store makes every
# stage run again: it finds its networks whole and mirrors their records there. No ancient() downstream: when a rule above
# an ancient input runs again, Snakemake 9.27 forgets to look at everything below it.
rule init_tracking:
    output:
        f"{ROOT}/tracking.json",
    log:
        f"{ROOT}/logs/init_tracking.log",
    benchmark:
        f"{ROOT}/benchmarks/init_tracking.tsv"
    localrule: True  # only the machine on which `snakemake` runs talks to MLflow
    conda:
        "../envs/ratecore.yaml"
    params:
        uri=stored_uri(uri, experiment.settings.results),  # None for the store that follows the folder
    script:
        "../../scripts/init_tracking.py"
