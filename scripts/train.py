"""Trains the networks of a block: side by side on the CPU, as one batched program on a GPU."""

from ratecore.experiment.scripts import do_block
from ratecore.experiment.stages import run_block, train_run, train_together
from ratecore.rate.training import warm_up
from ratecore.system.devices import job_device

config, threads = snakemake.config, snakemake.threads  # noqa: F821


def train(runs):
    """Trains the runs and returns their `end` events."""
    wanted = config.get("device", "cpu")
    with job_device(wanted, config.get("jobs_per_gpu", 1), config.get("gpu_frac")) as (device, no_gpu):
        if device != "cpu":
            return train_together(runs, device)
        if threads > 1 and len(runs) > 1:
            warm_up(runs[0].settings)  # otherwise every process would import and compile this itself
        return run_block("train", runs, lambda run: train_run(run, no_gpu=no_gpu), workers=threads)


do_block(snakemake, train)  # noqa: F821
