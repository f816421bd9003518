"""MLflow as a mirror of the run records: the only part of ratecore that knows MLflow."""
