"""Evaluates the networks of a block on fresh trials."""

from ratecore.experiment.scripts import do_block
from ratecore.experiment.stages import evaluate_run, run_block

do_block(snakemake, lambda runs: run_block("evaluate", runs, evaluate_run))  # noqa: F821
