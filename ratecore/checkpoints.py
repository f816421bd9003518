"""Checkpoints of a training under way: when one is written, and which one a training goes on from."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from pathlib import Path

from ratecore.config import RunSettings
from ratecore.files import write_atomic
from ratecore.formats import DamagedError, checkpoint_bytes, result_from_checkpoint

EVERY = 5.0  # seconds
SHARE = 0.02  # of the time that checkpoints may take, at most
NEWEST, PREVIOUS = "checkpoint.pth", "checkpoint.previous.pth"


class Interrupted(SystemExit):
    """The process was told to end, and what was under way is saved; `code` is 128 + the signal, as shells have it."""


class Signals:
    """Whether SIGTERM or SIGINT has come; a second one ends the process at once."""

    received: int | None = None

    def take(self, number, frame) -> None:
        if self.received is not None:
            sys.exit(128 + number)
        self.received = number

    def check(self) -> None:
        """Raises Interrupted once a signal has come."""
        if self.received is not None:
            raise Interrupted(128 + self.received)


@contextlib.contextmanager
def waiting_signals():
    """Within, SIGTERM (preemption, time limit) and SIGINT (Ctrl-C) wait until the work asks for them."""
    signals, before = Signals(), {}
    with contextlib.suppress(ValueError):  # in another thread than the main one signals never arrive
        for number in (signal.SIGTERM, signal.SIGINT):
            before[number] = signal.signal(number, signals.take)
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: of the run.   settings: of the run.   signals: of `waiting_signals`.
        every: seconds between two, or more where writing one takes long.   log: file for messages.
    """

    def __init__(self, folder, settings: RunSettings, signals: Signals | None = None, every: float = EVERY, log=None):
        self.folder, self.settings, self.signals = Path(folder), settings, signals or Signals()
        self._every, self._next, self._log = every, time.monotonic() + every, log or sys.stderr

    def load(self, device="cpu"):
        """The `TrainingResult` to go on from; None when there is none. A damaged checkpoint is named and passed over.

        Raises:
            FormatError: a checkpoint of other settings.
        """
        for name in (NEWEST, PREVIOUS):
            path = self.folder / name
            if not path.exists():
                continue
            try:
                return result_from_checkpoint(path, self.settings, device)
            except DamagedError as error:
                print(f"{error}; it is passed over", file=self._log, flush=True)
        return None

    def due(self) -> bool:
        """Whether it is time for one, or a signal has come."""
        return self.signals.received is not None or time.monotonic() >= self._next

    def save(self, result) -> None:
        """Writes a checkpoint; the one before it is kept until the next.

        Raises:
            Interrupted: a signal had come; the checkpoint is written.   OSError: it cannot be written.
        """
        self.write(result)
        self.signals.check()

    def write(self, result) -> None:
        """As `save`, whether a signal has come or not."""
        start = time.monotonic()
        if result.n_trials:
            newest = self.folder / NEWEST
            write_atomic(newest, checkpoint_bytes(self.settings, result), keep=self.folder / PREVIOUS)
        end = time.monotonic()
        self._next = end + max(self._every, (end - start) / SHARE)


def remove_checkpoints(folder) -> None:
    """Removes a run's checkpoints, once its network is saved."""
    for name in (NEWEST, PREVIOUS):
        Path(folder, name).unlink(missing_ok=True)
