"""Trains the networks of a block."""

from common import do_block

from ratecore.devices import choose_device
from ratecore.stages import train_run

device = choose_device(snakemake.config.get("device", "cpu"))  # noqa: F821
do_block(snakemake, "train", lambda run: train_run(run, device))  # noqa: F821
