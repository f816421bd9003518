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
    params:
        code=figures_hash(),
    script:
        "../../scripts/plot_grid.py"


stage = job_of("evaluate")


rule plot_cell:
    input:
        stage.blocks,
    output:
        **figures_of(stage.name, "Grid points"),
    log:
        f"{ROOT}/logs/plot_cell/{stage.point}.log",
    benchmark:
        f"{ROOT}/benchmarks/plot_cell/{stage.point}.tsv"
    conda:
        "../envs/ratecore.yaml"
    params:
        stage=stage.name,
        code=figures_hash(),
    script:
        "../../scripts/plot_point.py"


stage = job_of("convert")


rule plot_spiking:
    input:
        stage.blocks,
    output:
        **figures_of(stage.name, "Spiking networks"),
    log:
        f"{ROOT}/logs/plot_spiking/{stage.point}.log",
    benchmark:
        f"{ROOT}/benchmarks/plot_spiking/{stage.point}.tsv"
    conda:
        "../envs/ratecore.yaml"
    params:
        stage=stage.name,
        code=figures_hash(),
    script:
        "../../scripts/plot_point.py"


stage = job_of("analyse")


rule plot_analyses:
    input:
        stage.blocks,
    output:
        **figures_of(stage.name, "Analyses"),
    log:
        f"{ROOT}/logs/plot_analyses/{stage.point}.log",
    benchmark:
        f"{ROOT}/benchmarks/plot_analyses/{stage.point}.tsv"
    conda:
        "../envs/ratecore.yaml"
    params:
        stage=stage.name,
        code=figures_hash(),
    script:
        "../../scripts/plot_point.py"
