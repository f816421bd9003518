"""Draws the figures of the grid from its table."""

from ratecore.experiment.grid import Experiment
from ratecore.experiment.point_figures import write_figures
from ratecore.experiment.scripts import logging_to
from ratecore.experiment.summary import grid_pages, read_summary

with logging_to(snakemake.log[0]):  # noqa: F821
    experiment = Experiment.from_config(snakemake.config, checked=True)  # noqa: F821
    write_figures(grid_pages(experiment, read_summary(experiment)), dict(snakemake.output.items()))  # noqa: F821
