"""Judges the claims of the configuration by the table of all networks."""

from ratecore.experiment.claims import judge_claims, read_table
from ratecore.experiment.claims_files import write_claims
from ratecore.experiment.grid import Experiment
from ratecore.experiment.scripts import logging_to

with logging_to(snakemake.log[0]):  # noqa: F821
    experiment = Experiment.from_config(snakemake.config, checked=True)  # noqa: F821
    write_claims(judge_claims(experiment, read_table(experiment)), experiment.settings, experiment.root)
