"""Send MLflow what it has missed, then write the table of all networks."""

from ratecore.experiment.grid import Experiment
from ratecore.experiment.jobs import write_job
from ratecore.experiment.scripts import logging_to
from ratecore.experiment.summary import summarize, write_summary
from ratecore.tracking.mlflow.follow import Follower
from ratecore.tracking.mlflow.uri import tracking_uri

with logging_to(snakemake.log[0]):  # noqa: F821
    experiment = Experiment.from_config(snakemake.config, checked=True)  # noqa: F821
    settings = experiment.settings
    uri = tracking_uri(settings.tracking.uri, settings.results)
    Follower(uri, settings.experiment, settings.results, all_runs=True, runs=experiment.run_names).start().stop()
    table = summarize(experiment)
    write_summary(table, experiment.root)
    write_job(snakemake.output.complete, [])  # noqa: F821
