# What all stages need: the experiment of the configuration, and where its files are.
import csv
import os

import pandas as pd
from snakemake.exceptions import WorkflowError
from snakemake.utils import Paramspace, validate

from ratecore.config import SettingsError
from ratecore.devices import device_pool
from ratecore.files import check_writable
from ratecore.grid import Experiment
from ratecore.tracking.follow import Follower
from ratecore.tracking.mlflow import tracking_uri, without_secrets
from ratecore.tracking.queue import note_deaths

try:
    experiment = Experiment.from_config(config)
    check_writable(experiment.root)
except SettingsError as error:
    raise WorkflowError(
        "The configuration cannot be used:\n  " + "\n  ".join(error.lines())
    )
except OSError as error:
    raise WorkflowError(f"The results cannot be written: {error}")
validate(config, "../schemas/config.schema.yaml")

uri = tracking_uri(experiment.settings.tracking.uri, experiment.settings.results)
follower = Follower(uri, experiment.settings.experiment, experiment.settings.results)
ROOT = experiment.root.as_posix()
CELLS = Paramspace(pd.DataFrame([cell.values for cell in experiment.cells]))
CELL = CELLS.wildcard_pattern  # task~{task}/N~{N}/taus~{taus}/...
BLOCK = f"{CELL}/seeds~{{seeds}}"
PLOTS = ("loss_curves", "outputs", "taus", "weights")
SUMMARY_PLOTS = ("accuracy", "trials_to_criterion", "trained")


wildcard_constraints:
    **{column: "[^/]+" for column in CELLS.columns},
    seeds="[0-9a-f+-]+",


def identities(*stages):
    """A function of wildcards: the identity of each of a block's runs. What changes it makes the job run again."""

    def of_block(wildcards):
        cell = experiment.cell_of(wildcards)
        return [
            cell.identity(seed, *stages) for seed in experiment.blocks[wildcards.seeds]
        ]

    return of_block


def gpus(wildcards):
    """GPUs that a training job takes: none on the CPU."""
    wanted = experiment.settings.device
    return int(wanted == "cuda" or (wanted == "auto" and bool(device_pool())))


def blocks_of(stage):
    """A function of wildcards: what a stage leaves for every block of a grid point."""
    pattern = f"{ROOT}/jobs/{stage}/{BLOCK}.json"
    return lambda wildcards: [
        pattern.format(**wildcards, seeds=name) for name in experiment.blocks
    ]


def all_blocks(stage):
    """What a stage leaves for every block of the grid."""
    return [
        f"{ROOT}/jobs/{stage}/{path}/seeds~{name}.json"
        for path in CELLS.instance_patterns
        for name in experiment.blocks
    ]


def cell_figures():
    """The figures of the grid points, as many as the configuration asks for."""
    paths = list(CELLS.instance_patterns)[: experiment.settings.figures.grid_points]
    return [f"{ROOT}/figures/{path}/{name}.png" for path in paths for name in PLOTS]


def closing_words():
    """Where to look once everything is done, or what is there so far."""
    if not os.path.exists(f"{ROOT}/summary.csv"):
        return f"\nDone so far: {ROOT}/runs/"
    with open(f"{ROOT}/summary.csv", newline="") as file:
        states = [row["status"] for row in csv.DictReader(file)]
    counts = ", ".join(
        f"{states.count(s)} {s}"
        for s in ("trained", "not trained", "failed")
        if s in states
    )
    return "\n".join(
        [
            f"\n{len(states)} networks: {counts}.",
            f"  table      {ROOT}/summary.csv",
            f"  figures    {ROOT}/figures/",
            f"  networks   {ROOT}/models/   (.mat and .pth)",
            f"  runs       {ROOT}/runs/     (record, scores, figures of each)",
            "  MLflow     `make ui`, then http://127.0.0.1:5000",
            "  report     snakemake --report report.html",
        ]
    )
