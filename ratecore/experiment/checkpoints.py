"""Checkpoints of an unfinished training: when one is written, and from which one a training resumes."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TextIO

from ratecore.experiment.progress import say
from ratecore.experiment.stages import table
from ratecore.experiment.stages.table import STAGES, TRAIN
from ratecore.formats import DamagedError, checkpoint_bytes, result_from_checkpoint
from ratecore.settings.run import RunSettings
from ratecore.system.files import write_atomic

if TYPE_CHECKING:
    from ratecore.formats.pth import Device
    from ratecore.rate.results import TrainingResult

EVERY = 5.0  # seconds
SHARE = 0.02  # of the time that checkpoints may take, at most
AGAIN = 1.0  # seconds within which signals count as one: a process group and parents may both deliver it
NEWEST, PREVIOUS, *_ = STAGES[TRAIN].resumes_from


class Interrupted(SystemExit):
    """The process was told to stop, and unfinished work is saved.

    Args:
        code: exit status, 128 + the signal, as in shells.
        trial: at which a single training was saved.
    """

    def __init__(self, code: int, trial: int | None = None) -> None:
        super().__init__(code)
        self.trial = trial


class Signals:
    """Whether SIGTERM or SIGINT has arrived; a second one after more than `AGAIN` seconds ends the process at once."""

    received: int | None = None
    answered = False  # whether the work has seen it
    _when = 0.0

    def take(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal.

        Args:
            number: of the signal.
            frame: as Python passes it to handlers.
        """
        now = time.monotonic()
        if self.received is None:
            self.received, self._when = number, now
        elif now - self._when > AGAIN:
            self.answered = True
            sys.exit(128 + number)

    def check(self, trial: int | None = None) -> None:
        """Stop the work if a signal has arrived.

        Args:
            trial: at which the work was saved.

        Raises:
            Interrupted: a signal has arrived.
        """
        if self.received is not None:
            self.answered = True
            raise Interrupted(128 + self.received, trial)


@contextlib.contextmanager
def deferred_signals() -> Iterator[Signals]:
    """Defer SIGTERM (preemption, time limit) and SIGINT (Ctrl-C) until the work polls for them or ends.

    Nested blocks use the outer one.

    Yields:
        the signals that arrive.
    """
    outer = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    if isinstance(outer, Signals):
        yield outer
        return
    signals = Signals()
    before: dict[signal.Signals, Any] = {}
    with contextlib.suppress(ValueError):  # signals arrive only in the main thread
        for number in (signal.SIGTERM, signal.SIGINT):
            before[number] = signal.signal(number, signals.take)
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if signals.received is not None and not signals.answered:
            signal.raise_signal(signals.received)  # too late for this work, but not for what follows


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: of the run.
        settings: of the run.
        signals: of `deferred_signals`.
        every: seconds between two checkpoints, or longer if writing one takes long.
        log: file for messages; None for standard error.
        fallback: without a checkpoint, returns the result to resume from for a device, or None.
        missing: names a file that must be there for a result, or ''; a checkpoint without it is not used.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        settings: RunSettings,
        signals: Signals | None = None,
        every: float = EVERY,
        log: TextIO | None = None,
        fallback: Callable[[Device], TrainingResult | None] | None = None,
        missing: Callable[[TrainingResult], str] | None = None,
    ) -> None:
        self.folder, self.settings, self.signals = Path(folder), settings, signals or Signals()
        self._fallback, self._missing = fallback, missing
        self._every, self._next, self._log = every, time.monotonic() + every, log or sys.stderr

    def load(self, device: Device = "cpu") -> TrainingResult | None:
        """The result to resume from. A damaged checkpoint is reported and ignored.

        Args:
            device: of the result.

        Returns:
            the result; None if there is none.

        Raises:
            FormatError: a checkpoint has other settings.
        """
        for name in (NEWEST, PREVIOUS):
            path = self.folder / name
            if not path.exists():
                continue
            try:
                result = result_from_checkpoint(path, self.settings, table.code_hash(TRAIN), device)
                if not (lost := self._missing(result) if self._missing else ""):
                    return result
                say(f"{path}: {lost} is missing, which was written before it; it is ignored", self._log)
            except DamagedError as error:
                say(f"{error}; it is ignored", self._log)
        return self._fallback(device) if self._fallback else None

    def due(self) -> bool:
        """Whether it is time for a checkpoint.

        Returns:
            True also if a signal has arrived.
        """
        return self.signals.received is not None or time.monotonic() >= self._next

    def save(self, result: TrainingResult) -> None:
        """Write a checkpoint and keep the previous one until the next.

        Args:
            result: of the training so far.

        Raises:
            Interrupted: a signal has arrived; the checkpoint is written.
            OSError: it cannot be written.
        """
        self.write(result)
        self.signals.check(result.n_trials)

    def write(self, result: TrainingResult) -> None:
        """The same as `save`, without checking for a signal.

        Args:
            result: of the training so far.
        """
        start = time.monotonic()
        if result.n_trials:
            data = checkpoint_bytes(self.settings, result, table.code_hash(TRAIN))
            write_atomic(self.folder / NEWEST, data, keep=self.folder / PREVIOUS)
        end = time.monotonic()
        self._next = end + max(self._every, (end - start) / SHARE)
