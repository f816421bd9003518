# Judges the claims of the configuration by the complete table.
rule claims:
    input:
        rules.summarize.output,
    output:
        judged=f"{ROOT}/{claims_files.JUDGED}",
        table=f"{ROOT}/{claims_files.TABLE}",
        page=report(
            f"{ROOT}/{claims_files.PAGE}",
            caption="../report/claims.rst",
            category="Claims",
            labels={"table": "all claims"},
        ),
    log:
        f"{ROOT}/logs/claims.log",
    benchmark:
        f"{ROOT}/benchmarks/claims.tsv"
    conda:
        "../envs/ratecore.yaml"
    params:
        claims=claims_files.claims_hash(experiment.settings),
    script:
        "../../scripts/claims.py"
