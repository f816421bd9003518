# What all rules need: the experiment described by the configuration, and the paths of its files.
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
from snakemake.exceptions import WorkflowError
from snakemake.utils import Paramspace, validate

from ratecore.experiment import claims_files
from ratecore.settings.base import SettingsError
from ratecore.experiment.costs import analysis_memory, training_memory
from ratecore.system.devices import device_pool
from ratecore.system.files import check_writable
from ratecore.experiment.grid import Experiment
from ratecore.experiment.hooks import Launch
from ratecore.experiment.jobs import TABLE_WRITTEN
from ratecore.experiment.module import apply_prefix, module_overrides
from ratecore.experiment.panels.code import panels_hash
from ratecore.experiment.plan import announcement
from ratecore.experiment.report_figures import caption_of
from ratecore.settings.reading import read_words
from ratecore.experiment.stages.table import (
    STAGES,
    TRAIN,
    figures_hash,
    function_of,
    last_of,
    row_of,
    stages_of,
)
from ratecore.experiment.summary import grid_figures
from ratecore.system.surroundings import settle_workflow
from ratecore.tracking.mlflow.uri import stored_uri, tracking_uri

settle_workflow()
try:
    read_words(
        config,
        module_overrides(main_configuration(), config, workflow.config_settings.config),
    )
    # ROOT is the folder of the results as rules name it: before their paths Snakemake puts the prefix of a module.
    config, ROOT = apply_prefix(config, workflow.modifier.path_modifier.replace_prefix)
    experiment = Experiment.from_config(config)
    check_writable(experiment.root)
    uri = tracking_uri(
        experiment.settings.tracking.uri,
        experiment.settings.results,
        check=workflow.is_main_process,
    )
except SettingsError as error:
    raise WorkflowError(
        "The configuration cannot be used:\n  " + "\n  ".join(error.lines())
    )
except OSError as error:
    raise WorkflowError(f"The results cannot be written: {error}")
except ValueError as error:
    raise WorkflowError(f"MLflow cannot be used: {error}")

# Validate the parsed values: `1e4`, which Snakemake passes as text, is a number by now. Without defaults: Snakemake would
# give a panel those of all kinds, and cannot set those of a setting that is a section or none.
validate(experiment.given(), "../schemas/config.schema.yaml", set_default=False)

CHOSEN = stages_of(experiment.settings)  # the stages that every network goes through
ROWS = {name: row_of(name, experiment.settings.analyses) for name in STAGES}
launch, is_new = Launch.for_experiment(
    workflow, experiment, config, uri, workflow.modifier.modify_rulename(TRAIN)
)
if workflow.is_main_process and is_new:  # once, not in the log of every job
    print(announcement(experiment, workflow.output_settings.quiet), file=sys.stderr)
    launch.restore_copied_times()


def mark_stale_files(wildcards):
    """Tells Snakemake which files belong to other settings. An input function that returns no inputs."""
    launch.mark_stale_files(point_figures(launch.root))
    return []


def starts_of_block(wildcards):
    """Returns the output of the job that trains the networks from which those of this job start."""
    start = experiment.start_of(experiment.grid_point_of(wildcards))
    if start is None:
        return []
    path = start.path_in(experiment.columns(TRAIN))
    return f"{ROOT}/jobs/{TRAIN}/{path}/seeds~{wildcards.seeds}.json"


def grid_points_of(stage):
    """Returns the grid points for which a stage has jobs. Axes swept after training do not multiply training jobs."""
    columns = experiment.columns(stage)
    rows = [
        grid_point.values for grid_point in experiment.grid_points_of(stage).values()
    ]
    return Paramspace(pd.DataFrame(rows, columns=columns))


# Stages with the same axes share their grid points; there can be 100,000 of them.
_stage_with = {experiment.columns(stage): stage for stage in STAGES}
_spaces = {columns: grid_points_of(stage) for columns, stage in _stage_with.items()}
GRID_POINTS = {stage: _spaces[experiment.columns(stage)] for stage in STAGES}
# Paths of each stage: task~{task}/N~{N}/taus~{taus}/.../seeds~{seeds}
GRID_POINT = {
    stage: grid_points.wildcard_pattern for stage, grid_points in GRID_POINTS.items()
}
BLOCK = {
    stage: f"{grid_point}/seeds~{{seeds}}" for stage, grid_point in GRID_POINT.items()
}


wildcard_constraints:
    **{axis.column: "[^/]+" for axis in experiment.axes},
    seeds="[0-9a-f+-]+",


def identities(stage):
    """Returns an input function that gives the identities of a block's runs. If they change, the job runs again.

    As it does when figures of networks are switched on, which then draws them.
    """
    omits = bool(STAGES[stage].redraw) and not experiment.settings.figures.networks

    def of_block(wildcards):
        grid_point = experiment.grid_point_of(wildcards)
        known = [
            grid_point.identity(seed, *STAGES[stage].settings)
            for seed in experiment.blocks[wildcards.seeds]
        ]
        return known + ["without figures"] * omits

    return of_block


def gpus(wildcards):
    """Returns the number of GPUs of a training job; 0 on the CPU, and for a network that is not trained here."""
    if experiment.grid_point_of(wildcards).settings.training.network_from is not None:
        return 0
    wanted = experiment.settings.device
    return int(wanted == "cuda" or (wanted == "auto" and bool(device_pool())))


def first_run(wildcards):
    """Returns the settings of the first run in a job's block, and the number of runs in the block."""
    seeds = experiment.blocks[wildcards.seeds]
    return experiment.grid_point_of(wildcards).run(seeds[0]), len(seeds)


# Resources requested from a scheduler. A job that exceeds them gets more at its next attempt, where it resumes.
def memory(wildcards, attempt, threads):
    """Returns the memory of a job in MB."""
    return training_memory(first_run(wildcards)[0], threads) * attempt


def memory_to_analyse(wildcards, attempt):
    """Returns the memory of a job of analyses in MB, with the activity of its trials."""
    return analysis_memory(first_run(wildcards)[0]) * attempt


def memory_to_train(wildcards, attempt, threads):
    """Returns the memory of a training job in MB. On a GPU, all networks of a block train at the same time."""
    settings, networks = first_run(wildcards)
    at_once = networks if gpus(wildcards) else threads
    return training_memory(settings, at_once) * attempt


def minutes_of(stage):
    """Returns a function that estimates the minutes of a job, including the wait for jobs on other variants."""

    def of_job(wildcards, attempt, threads):
        minutes = _minutes(stage, wildcards, threads)
        # Jobs of the last stage for the same networks. Only one of them at a time works on a network.
        variants = experiment.variants_of(experiment.grid_point_of(wildcards))
        if variants > 1 and ROWS[stage].variants:
            others = [name for name, row in CHOSEN.items() if row.variants]
            longest = max(_minutes(name, wildcards, 1) for name in others)
            minutes += (variants - 1) * max(minutes, longest)
        return minutes * attempt

    return of_job


def _minutes(stage, wildcards, threads):
    estimate = function_of(STAGES[stage].minutes)
    return estimate(
        *first_run(wildcards), *([threads] if STAGES[stage].threads else [])
    )


def job_of(stage):
    """Returns the parts of a stage's rule, from the stage's row in the table."""
    row, block = ROWS[stage], f"{stage}/{BLOCK[stage]}"
    return SimpleNamespace(
        name=stage,
        inputs=[f"{ROOT}/jobs/{need}/{BLOCK[need]}.json" for need in row.needs],
        output=f"{ROOT}/jobs/{block}.json",
        log=f"{ROOT}/logs/{block}.log",
        benchmark=f"{ROOT}/benchmarks/{block}.tsv",
        threads=experiment.settings.threads_per_job if row.threads else 1,
        minutes=minutes_of(stage),
        identities=identities(stage),
        point=GRID_POINT[stage],
        blocks=blocks_of(stage),
    )


def blocks_of(stage):
    """Returns an input function that gives a stage's outputs for every block of a grid point."""
    pattern = f"{ROOT}/jobs/{stage}/{BLOCK[stage]}.json"
    return lambda wildcards: [
        pattern.format(**wildcards, seeds=name)
        for name in experiment.blocks_of(experiment.grid_point_of(wildcards))
    ]


def all_blocks(stage):
    """Returns a stage's outputs for every block of the grid."""
    return [
        f"{ROOT}/jobs/{stage}/{path}/seeds~{name}.json"
        for path, grid_point in experiment.grid_points_of(stage).items()
        for name in experiment.blocks_of(grid_point)
    ]


def point_figures(root):
    """Returns the figures, in a folder, of as many grid points as the configuration requests."""
    return [
        f"{root}/figures/{path}/{name}.png"
        for stage, row in CHOSEN.items()
        if row.point_figures
        for path in list(GRID_POINTS[stage].instance_patterns)[
            : experiment.settings.figures.grid_points
        ]
        for name in row.point_figures.names
    ]


def figures_of(stage, category):
    """Returns the outputs of a stage's figures of a grid point by name, with their captions in the report."""
    return {
        name: report(
            f"{ROOT}/figures/{GRID_POINT[stage]}/{name}.png",
            caption=f"../report/{caption_of(name)}",
            category=category,
            labels={
                **{column: f"{{{column}}}" for column in GRID_POINTS[stage].columns},
                "figure": name.replace("_", " "),
            },
        )
        for name in ROWS[stage].point_figures.names
    }


PANELS = experiment.settings.panels


def panel_labels(wildcards):
    """Returns the words of a panel in the report, without braces, in which Snakemake would look for wildcards."""
    panel, braces = PANELS[wildcards.panel], str.maketrans("{}", "()")
    words = {"title": panel.title, "beside": panel.source or ""}
    return {
        "panel": wildcards.panel,
        **{name: text.translate(braces) for name, text in words.items()},
    }


def drawn_panels(wildcards):
    """Returns the files of all panels."""
    kinds = ("pdf", "png", "rst")
    return [f"{ROOT}/figures/panels/{name}.{kind}" for name in PANELS for kind in kinds]
