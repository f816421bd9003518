"""Create the MLflow database and the experiment, and save their location."""

import sys

from ratecore.experiment.grid import Experiment
from ratecore.experiment.scripts import logging_to
from ratecore.system.files import sealed_json, write_atomic
from ratecore.system.redaction import redact_output
from ratecore.tracking.mlflow.mirror import Mirror
from ratecore.tracking.mlflow.uri import stored_uri, tracking_uri

with logging_to(snakemake.log[0]):  # noqa: F821
    experiment = Experiment.from_config(snakemake.config)  # noqa: F821
    settings = experiment.settings
    uri = tracking_uri(settings.tracking.uri, settings.results)
    redact_output(uri)  # MLflow and its imports also write to standard error
    tracked = {"uri": stored_uri(uri, settings.results), "experiment": settings.experiment, "experiment_id": None}
    try:
        mirror = Mirror(uri, settings.experiment, settings.results, experiment.run_names())
        tracked["experiment_id"] = mirror.experiment_id
        print(*mirror.notes, sep="\n")
    except Exception as error:
        if uri.startswith("sqlite:"):
            raise  # a local file that cannot be created is not a temporary outage
        print(f"MLflow cannot be reached; runs are recorded and mirrored later: {error}", file=sys.stderr)
    write_atomic(snakemake.output[0], sealed_json(tracked))  # noqa: F821
