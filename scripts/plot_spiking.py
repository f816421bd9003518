"""Draws the figures of one grid point's spiking networks over its seeds."""

from common import logging_to

from ratecore.grid import Experiment
from ratecore.summary import spiking_figures, write_figures

with logging_to(snakemake.log[0]):  # noqa: F821
    experiment = Experiment.from_config(snakemake.config)  # noqa: F821
    cell = experiment.cell_of(snakemake.wildcards)  # noqa: F821
    write_figures(spiking_figures(experiment, cell), dict(snakemake.output.items()))  # noqa: F821
