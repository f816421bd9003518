# Figures of the grid, and of each grid point over its seeds.
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
            for name in grid_figures(experiment)
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
                f"{ROOT}/figures/{CELL['evaluate']}/{name}.png",
                caption=f"../report/{name}.rst",
                category="Grid points",
                labels=labels_of("evaluate", name),
            )
            for name in FIGURES["evaluate"]
        },
    log:
        f"{ROOT}/logs/plot_cell/{CELL['evaluate']}.log",
    benchmark:
        f"{ROOT}/benchmarks/plot_cell/{CELL['evaluate']}.tsv"
    conda:
        "../envs/ratecore.yaml"
    script:
        "../../scripts/plot_cell.py"


rule plot_spiking:
    input:
        blocks_of("convert"),
    output:
        **{
            name: report(
                f"{ROOT}/figures/{CELL['convert']}/{name}.png",
                caption=f"../report/{name}.rst",
                category="Spiking networks",
                labels=labels_of("convert", name),
            )
            for name in FIGURES["convert"]
        },
    log:
        f"{ROOT}/logs/plot_spiking/{CELL['convert']}.log",
    benchmark:
        f"{ROOT}/benchmarks/plot_spiking/{CELL['convert']}.tsv"
    conda:
        "../envs/ratecore.yaml"
    script:
        "../../scripts/plot_spiking.py"
