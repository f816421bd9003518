"""Writes the `.mat` and `.pth` files of a block's networks."""

from ratecore.experiment.scripts import do_block
from ratecore.experiment.stages import export_run, run_block

do_block(snakemake, lambda runs: run_block("export", runs, export_run))  # noqa: F821
