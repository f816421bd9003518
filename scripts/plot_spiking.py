"""Draws the figures of the spiking networks of one grid point over its seeds."""

from ratecore.experiment.scripts import draw_cell
from ratecore.experiment.summary import spiking_figures

draw_cell(snakemake, spiking_figures)  # noqa: F821
