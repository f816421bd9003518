"""Draws the figures of one grid point over its seeds."""

from ratecore.experiment.scripts import draw_cell
from ratecore.experiment.summary import cell_figures

draw_cell(snakemake, cell_figures)  # noqa: F821
