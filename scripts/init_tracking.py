"""Makes the MLflow database and the experiment, and notes where they are."""

import sys

from common import logging_to

from ratecore.config import ExperimentSettings
from ratecore.files import sealed_json, write_atomic
from ratecore.redaction import redact_output, without_secrets
from ratecore.tracking.mlflow import Mirror, tracking_uri

with logging_to(snakemake.log[0]):  # noqa: F821
    settings = ExperimentSettings(**snakemake.config)  # noqa: F821
    uri = tracking_uri(settings.tracking.uri, settings.results)
    redact_output(uri)  # MLflow and what it imports write to standard error, too
    place = {"uri": without_secrets(uri, uri), "experiment": settings.experiment, "experiment_id": None}
    try:
        place["experiment_id"] = Mirror(uri, settings.experiment, settings.results).experiment_id
    except Exception as error:
        if uri.startswith("sqlite:"):
            raise  # a file of our own that cannot be made is no passing outage
        print(f"MLflow cannot be reached; runs are recorded and mirrored later: {error}", file=sys.stderr)
    write_atomic(snakemake.output[0], sealed_json(place))  # noqa: F821
