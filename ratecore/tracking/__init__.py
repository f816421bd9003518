"""The run record, which is the truth, and MLflow, which mirrors it."""

from ratecore.tracking.record import Record, RecordError

__all__ = ["Record", "RecordError"]
