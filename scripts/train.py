"""Trains the networks of a block."""

from common import do_block

from ratecore.devices import choose_device
from ratecore.stages import train_run
from ratecore.training import warm_up

wanted, threads = snakemake.config.get("device", "cpu"), snakemake.threads  # noqa: F821


def prepare(runs):
    """What every process would otherwise import and compile for itself."""
    if threads > 1 and len(runs) > 1:
        warm_up(runs[0].settings)


do_block(snakemake, "train", lambda run: train_run(run, choose_device(wanted)), prepare, threads)  # noqa: F821
