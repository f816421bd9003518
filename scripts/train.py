"""Trains the networks of a block."""

from common import do_block

from ratecore.devices import choose_device
from ratecore.stages import train_run

wanted = snakemake.config.get("device", "cpu")  # noqa: F821
do_block(snakemake, "train", lambda run: train_run(run, choose_device(wanted)))  # noqa: F821
