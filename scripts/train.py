"""Trains the networks of a block: side by side on the CPU, as one batched program on a GPU."""

from common import do_block

from ratecore.devices import choose_device
from ratecore.stages import run_block, train_run, train_together
from ratecore.training import warm_up

wanted, threads = snakemake.config.get("device", "cpu"), snakemake.threads  # noqa: F821


def train(runs):
    """The `end` events of the runs."""
    device = choose_device(wanted)
    if device != "cpu":
        return train_together(runs, device)
    if threads > 1 and len(runs) > 1:
        warm_up(runs[0].settings)  # what every process would otherwise import and compile for itself
    return run_block("train", runs, train_run, workers=threads)


do_block(snakemake, train)  # noqa: F821
