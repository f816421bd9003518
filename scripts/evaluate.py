"""Scores the networks of a block on fresh trials."""

from common import do_block

from ratecore.stages import evaluate_run

do_block(snakemake, "evaluate", evaluate_run)  # noqa: F821
