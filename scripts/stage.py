"""Runs a stage for the networks of a block."""

from ratecore.experiment.scripts import do_block

do_block(snakemake)  # noqa: F821
