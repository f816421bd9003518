# Figures: of the whole grid, and of each grid point over its seeds.
rule plot_grid:
    input:
        f"{ROOT}/summary.csv",
    output:
        **{
            name: report(
                f"{ROOT}/figures/{name}.png",
                caption=f"../report/{name}.rst",
                category="Summary",
                labels={"figure": name.replace("_", " ")},
            )
            for name in SUMMARY_PLOTS
        },
    log:
        f"{ROOT}/logs/plot_grid.log",
    benchmark:
        f"{ROOT}/benchmarks/plot_grid.tsv"
    conda:
        "../envs/ratecore.yaml"
    script:
        "../../scripts/plot_grid.py"


rule plot_cell:
    input:
        blocks_of("evaluate"),
    output:
        **{
            name: report(
                f"{ROOT}/figures/{CELL}/{name}.png",
                caption=f"../report/{name}.rst",
                category="Grid points",
                labels={
                    **{column: f"{{{column}}}" for column in CELLS.columns},
                    "figure": name.replace("_", " "),
                },
            )
            for name in PLOTS
        },
    log:
        f"{ROOT}/logs/plot_cell/{CELL}.log",
    benchmark:
        f"{ROOT}/benchmarks/plot_cell/{CELL}.tsv"
    conda:
        "../envs/ratecore.yaml"
    script:
        "../../scripts/plot_cell.py"
