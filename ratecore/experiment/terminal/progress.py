"""How far networks are, from the records that their jobs write at this moment."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ratecore.experiment.stages.table import TRAIN
from ratecore.tracking.record import Event, Record, RecordError

TAIL = 16_384  # bytes of a record that are read; a test takes 200, the end of a training less than 2,000


@dataclass(frozen=True)
class Progress:
    """How far the training of a network is.

    Attributes:
        state: 'waiting', 'training', or the status of its end ('done', 'failed', 'broken', 'interrupted', 'killed').
        trial: of the last test, or at the end; None before the first test.
        loss: of the last test, unitless; None without one.
        accuracy: of the last test, in [0, 1]; None without one.
        trained: whether it met the criterion; None before the end.
        error: why it ended, if it broke.
    """

    state: str = "waiting"
    trial: int | None = None
    loss: float | None = None
    accuracy: float | None = None
    trained: bool | None = None
    error: str | None = None


def training_of(record: Path, since: float) -> Progress:
    """How far the training of a network is, from the last lines of its record.

    Args:
        record: file of the run's record, to which a job may be writing.
        since: s since 1970; earlier events belong to an earlier job.

    Returns:
        the progress; 'waiting' if the record cannot be read or has nothing new.
    """
    progress = Progress()
    for event in tail_of(record):
        if event["stage"] != TRAIN or event["time"] < since:
            continue
        if event["event"] == "start":
            progress = Progress("training")
        elif event["event"] == "metrics":
            values = event["values"]
            progress = Progress("training", event["step"], values.get("test_loss"), values.get("test_accuracy"))
        elif event["event"] == "end":
            trial, trained = event.get("n_trials", progress.trial), event.get("trained")
            error = event.get("error")
            progress = Progress(event["status"], trial, progress.loss, progress.accuracy, trained, error)
    return progress


def tail_of(record: Path) -> list[Event]:
    """The last events of a record that may be growing.

    Args:
        record: the file.

    Returns:
        the events, oldest first; none if the file is not there or its end is damaged.
    """
    try:
        with open(record, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - TAIL))
            data = file.read(TAIL)
    except OSError:
        return []
    if size > TAIL:
        data = data[data.find(b"\n") + 1 :]
    try:
        return Record(record).parse(data)
    except RecordError:  # whoever reads the whole record names the line
        return []
