# Figures: of the grid, and of each grid point over its seeds.
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
    params:
        code=figures_hash(),
    script:
        "../../scripts/plot_grid.py"


rule plot_cell:
    input:
        blocks_of("evaluate"),
    output:
        **figures_of("evaluate", "Grid points"),
    log:
        f"{ROOT}/logs/plot_cell/{CELL['evaluate']}.log",
    benchmark:
        f"{ROOT}/benchmarks/plot_cell/{CELL['evaluate']}.tsv"
    conda:
        "../envs/ratecore.yaml"
    params:
        stage="evaluate",
        code=figures_hash(),
    script:
        "../../scripts/plot_point.py"


rule plot_spiking:
    input:
        blocks_of("convert"),
    output:
        **figures_of("convert", "Spiking networks"),
    log:
        f"{ROOT}/logs/plot_spiking/{CELL['convert']}.log",
    benchmark:
        f"{ROOT}/benchmarks/plot_spiking/{CELL['convert']}.tsv"
    conda:
        "../envs/ratecore.yaml"
    params:
        stage="convert",
        code=figures_hash(),
    script:
        "../../scripts/plot_point.py"
