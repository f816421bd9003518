"""Draws the figures of a stage for one grid point, over its seeds."""

from ratecore.experiment.scripts import draw_point

draw_point(snakemake)  # noqa: F821
