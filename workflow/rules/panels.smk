# Figures in the terms of a paper, each from the complete table and the networks that it shows.
PANELS = experiment.settings.panels


def panel_labels(wildcards):
    """Returns the words of a panel in the report, without braces, in which Snakemake would look for wildcards."""
    panel, braces = PANELS[wildcards.panel], str.maketrans("{}", "()")
    words = {"title": panel.title, "beside": panel.source or ""}
    return {
        "panel": wildcards.panel,
        **{name: text.translate(braces) for name, text in words.items()},
    }


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


def drawn_panels(wildcards):
    """Returns the files of all panels."""
    kinds = ("pdf", "png", "rst")
    return [f"{ROOT}/figures/panels/{name}.{kind}" for name in PANELS for kind in kinds]
