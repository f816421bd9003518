"""Checkpoints of a training under way: when one is written, and from which one a training resumes."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ratecore.experiment.progress import say
from ratecore.experiment.stages import table
from ratecore.experiment.stages.table import STAGES, TRAIN
from ratecore.formats import DamagedError, checkpoint_bytes, result_from_checkpoint
from ratecore.settings.run import RunSettings
from ratecore.system.files import write_atomic

EVERY = 5.0  # seconds
SHARE = 0.02  # of the time that checkpoints may take, at most
AGAIN = 1.0  # seconds; schedulers and Ctrl-C tell a whole group, and parents pass it on: within these it is one order
NEWEST, PREVIOUS = STAGES[TRAIN].resumes_from


class Interrupted(SystemExit):
    """The process was told to end, and what was under way is saved.

    Attributes:
        code: 128 + the signal, as shells have it.   trial: at which a training was saved, where it was one alone.
    """

    def __init__(self, code: int, trial: int | None = None):
        super().__init__(code)
        self.trial = trial


class Signals:
    """Whether SIGTERM or SIGINT has come; a second one, `AGAIN` later, ends the process at once."""

    received: int | None = None
    answered = False  # whether what was under way has been told
    _when = 0.0

    def take(self, number, frame) -> None:
        now = time.monotonic()
        if self.received is None:
            self.received, self._when = number, now
        elif now - self._when > AGAIN:
            self.answered = True
            sys.exit(128 + number)

    def check(self, trial: int | None = None) -> None:
        """Raises Interrupted once a signal has come; `trial` is where the work was saved."""
        if self.received is not None:
            self.answered = True
            raise Interrupted(128 + self.received, trial)


@contextlib.contextmanager
def deferred_signals():
    """Defers SIGTERM (preemption, time limit) and SIGINT (Ctrl-C) until the work polls for them or ends.

    Nested blocks use the outer one.
    """
    outer = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    if isinstance(outer, Signals):
        yield outer
        return
    signals, before = Signals(), {}
    with contextlib.suppress(ValueError):  # in another thread than the main one signals never arrive
        for number in (signal.SIGTERM, signal.SIGINT):
            before[number] = signal.signal(number, signals.take)
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if signals.received is not None and not signals.answered:
            signal.raise_signal(signals.received)  # it came too late for this work, and not for what follows it


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: of the run.   settings: of the run.   signals: of `deferred_signals`.
        every: seconds between two, or more where writing one takes long.   log: file for messages.
        otherwise: given the device, returns the TrainingResult to go on from when there is no checkpoint, or None.
    """

    def __init__(
        self,
        folder,
        settings: RunSettings,
        signals: Signals | None = None,
        every: float = EVERY,
        log=None,
        otherwise: Callable | None = None,
    ):
        self.folder, self.settings, self.signals = Path(folder), settings, signals or Signals()
        self._otherwise = otherwise
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
                return result_from_checkpoint(path, self.settings, table.code_hash(TRAIN), device)
            except DamagedError as error:
                say(f"{error}; it is ignored", self._log)
        return self._otherwise(device) if self._otherwise else None

    def due(self) -> bool:
        """Whether it is time for one, or a signal has come."""
        return self.signals.received is not None or time.monotonic() >= self._next

    def save(self, result) -> None:
        """Writes a checkpoint; the one before it is kept until the next.

        Raises:
            Interrupted: a signal had come; the checkpoint is written.   OSError: it cannot be written.
        """
        self.write(result)
        self.signals.check(result.n_trials)

    def write(self, result) -> None:
        """As `save`, whether a signal has come or not."""
        start = time.monotonic()
        if result.n_trials:
            data = checkpoint_bytes(self.settings, result, table.code_hash(TRAIN))
            write_atomic(self.folder / NEWEST, data, keep=self.folder / PREVIOUS)
        end = time.monotonic()
        self._next = end + max(self._every, (end - start) / SHARE)
