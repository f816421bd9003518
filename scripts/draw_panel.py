"""Draws a panel from the table of the grid, and from the networks that it shows."""

from ratecore.experiment.grid import Experiment
from ratecore.experiment.panels.drawing import Source, write_panel
from ratecore.experiment.scripts import logging_to

with logging_to(snakemake.log[0]):  # noqa: F821
    experiment = Experiment.from_config(snakemake.config)  # noqa: F821
    write_panel(Source(experiment), snakemake.wildcards.panel)  # noqa: F821
