# Figures in the terms of a paper, each from the complete table and the networks that it shows.
if PANELS:

    rule draw_panel:
        input:
            complete=f"{ROOT}/{TABLE_WRITTEN}",
            table=f"{ROOT}/summary.csv",
        output:
            caption=f"{ROOT}/figures/panels/{{panel}}.rst",
            pdf=report(
                f"{ROOT}/figures/panels/{{panel}}.pdf",
                caption="../report/panel.rst",
                category="Panels",
                labels=panel_labels,
            ),
            png=report(
                f"{ROOT}/figures/panels/{{panel}}.png",
                caption="../report/panel.rst",
                category="Panels",
                labels=panel_labels,
            ),
        log:
            f"{ROOT}/logs/draw_panel/{{panel}}.log",
        benchmark:
            f"{ROOT}/benchmarks/draw_panel/{{panel}}.tsv"
        wildcard_constraints:
            panel="|".join(re.escape(name) for name in PANELS),
        conda:
            "../envs/ratecore.yaml"
        params:
            code=panels_hash(),
            panel=lambda wildcards: PANELS[wildcards.panel].model_dump_json(),
            # The report reads the caption, which has the numbers of networks.
            caption=lambda wildcards, output: Path(output.caption),
        script:
            "../../scripts/draw_panel.py"
