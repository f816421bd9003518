# What all rules need: the experiment described by the configuration, and the paths of its files.
import sys

import pandas as pd
from snakemake.exceptions import WorkflowError
from snakemake.utils import Paramspace, validate

from ratecore.settings.base import SettingsError
from ratecore.experiment.costs import (
    conversion_minutes,
    scoring_minutes,
    training_memory,
    training_minutes,
)
from ratecore.system.devices import device_pool
from ratecore.system.files import check_writable, network_file_system
from ratecore.experiment.grid import Experiment
from ratecore.experiment.jobs import TABLE_WRITTEN
from ratecore.experiment.plan import announcement
from ratecore.settings.reading import read_words
from ratecore.experiment.runs import DEPENDS_ON
from ratecore.experiment.summary import FIGURES, grid_figures, stages_of
from ratecore.system.surroundings import settle_workflow
from ratecore.tracking.mlflow.follow import Follower
from ratecore.tracking.queue import note_deaths, mirror_message
from ratecore.tracking.mlflow.sqlite import sqlite_file
from ratecore.tracking.mlflow.uri import stored_uri, tracking_uri

settle_workflow()
try:
    read_words(config, workflow.config_settings.config)
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
if workflow.is_main_process:  # once, not in the log of every job
    print(announcement(experiment, workflow.output_settings.quiet), file=sys.stderr)

# Validate the parsed values: `1e4`, which Snakemake passes as text, is a number by now.
validate(experiment.given(), "../schemas/config.schema.yaml")

follower = Follower(
    uri,
    experiment.settings.experiment,
    experiment.settings.results,
    runs=experiment.run_names,
)
ROOT = experiment.root.as_posix()
STAGES = stages_of(experiment)  # the stages that every network goes through


def cells_of(stage):
    """Returns the grid points for which a stage has jobs. Axes swept after training do not multiply training jobs."""
    columns = experiment.columns(stage)
    rows = [cell.values for cell in experiment.cells_of(stage).values()]
    return Paramspace(pd.DataFrame(rows, columns=columns))


CELLS = {stage: cells_of(stage) for stage in ("train", "evaluate", "export")}
CELLS["convert"] = CELLS["export"]
# Paths of each stage: task~{task}/N~{N}/taus~{taus}/.../seeds~{seeds}
CELL = {stage: cells.wildcard_pattern for stage, cells in CELLS.items()}
BLOCK = {stage: f"{cell}/seeds~{{seeds}}" for stage, cell in CELL.items()}
# Number of jobs of the last stage for the same networks. Only one of them at a time works on a network.
VARIANTS = len(experiment.cells_of("convert")) // len(experiment.cells_of("train"))


wildcard_constraints:
    **{column: "[^/]+" for column in CELLS["convert"].columns},
    seeds="[0-9a-f+-]+",


def identities(stage):
    """Returns an input function that gives the identities of a block's runs. If they change, the job runs again."""

    def of_block(wildcards):
        cell = experiment.cell_of(wildcards)
        return [
            cell.identity(seed, *DEPENDS_ON[stage])
            for seed in experiment.blocks[wildcards.seeds]
        ]

    return of_block


def gpus(wildcards):
    """Returns the number of GPUs of a training job; 0 on the CPU."""
    wanted = experiment.settings.device
    return int(wanted == "cuda" or (wanted == "auto" and bool(device_pool())))


def first_run(wildcards):
    """Returns the settings of the first run in a job's block, and the number of runs in the block."""
    seeds = experiment.blocks[wildcards.seeds]
    return experiment.cell_of(wildcards).run(seeds[0]), len(seeds)


# Resources requested from a scheduler. A job that exceeds them gets more at its next attempt, where it resumes.
def memory(wildcards, attempt, threads):
    """Returns the memory of a job in MB."""
    return training_memory(first_run(wildcards)[0], threads) * attempt


def memory_to_train(wildcards, attempt, threads):
    """Returns the memory of a training job in MB. On a GPU, all networks of a block train at the same time."""
    settings, networks = first_run(wildcards)
    at_once = networks if gpus(wildcards) else threads
    return training_memory(settings, at_once) * attempt


def minutes(wildcards, attempt, threads):
    """Returns the minutes of a training job."""
    return training_minutes(*first_run(wildcards), threads) * attempt


def minutes_to_score(wildcards, attempt):
    """Returns the minutes of an evaluation or export job."""
    minutes = scoring_minutes(*first_run(wildcards))
    return (minutes + waiting(wildcards, minutes)) * attempt


def minutes_to_convert(wildcards, attempt, threads):
    """Returns the minutes of a conversion job."""
    minutes = conversion_minutes(*first_run(wildcards), threads)
    return (minutes + waiting(wildcards, minutes)) * attempt


def waiting(wildcards, minutes):
    """Returns the minutes that a job may wait for jobs on other variants of its networks."""
    if VARIANTS == 1:
        return 0
    longest = (
        conversion_minutes(*first_run(wildcards)) if "convert" in STAGES else minutes
    )
    return (VARIANTS - 1) * max(minutes, longest)


def blocks_of(stage):
    """Returns an input function that gives a stage's outputs for every block of a grid point."""
    pattern = f"{ROOT}/jobs/{stage}/{BLOCK[stage]}.json"
    return lambda wildcards: [
        pattern.format(**wildcards, seeds=name) for name in experiment.blocks
    ]


def all_blocks(stage):
    """Returns a stage's outputs for every block of the grid."""
    return [
        f"{ROOT}/jobs/{stage}/{path}/seeds~{name}.json"
        for path in CELLS[stage].instance_patterns
        for name in experiment.blocks
    ]


def cell_figures():
    """Returns the figures of as many grid points as the configuration requests."""
    return [
        f"{ROOT}/figures/{path}/{name}.png"
        for stage, names in FIGURES.items()
        if stage in STAGES
        for path in list(CELLS[stage].instance_patterns)[
            : experiment.settings.figures.grid_points
        ]
        for name in names
    ]


def labels_of(stage, name):
    """Returns the labels of a grid point's figure in the report."""
    return {
        **{column: f"{{{column}}}" for column in CELLS[stage].columns},
        "figure": name.replace("_", " "),
    }


def warn_of_shared_sqlite():
    """Warns if MLflow's SQLite file is on a network file system, where locks do not hold and writers can corrupt it."""
    if file := sqlite_file(uri):
        if kind := network_file_system(file):
            print(
                f"WARNING: MLflow's database {file} is on a network file system ({kind}), where it can be corrupted. "
                "Set tracking: {uri: sqlite:////a/local/disk/mlflow.db}, or use a server: docs/tracking.md. "
                "Nothing is lost: `ratecore replay` rebuilds the database from the results."
            )
