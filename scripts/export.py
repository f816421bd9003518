"""Writes the `.mat` and `.pth` files of a block's networks."""

from common import do_block

from ratecore.stages import export_run

do_block(snakemake, "export", export_run)  # noqa: F821
