"""Converts the networks of a block to spiking networks."""

from ratecore.experiment.scripts import do_block
from ratecore.experiment.stages import convert_run, run_block

threads = snakemake.threads  # noqa: F821
do_block(snakemake, lambda runs: run_block("convert", runs, lambda run: convert_run(run, threads)))  # noqa: F821
