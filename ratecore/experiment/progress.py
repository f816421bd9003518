"""How far training is: a live line on a terminal, plain lines in a log."""

from __future__ import annotations

import contextlib
import sys
import time

from ratecore.settings.run import RunSettings


def say(text: str, file) -> None:
    """Prints a line at once. A log that cannot be written, as on a full disk, is no reason to end."""
    with contextlib.suppress(OSError):
        print(text, file=file, flush=True)


def saved_at(error: BaseException) -> str:
    """Where work was that has been told to end: ', saved at trial 10,800', or nothing where that is not known."""
    trial = getattr(error, "trial", None)
    return "" if trial is None else f", saved at trial {trial:,}"


class ProgressBar:
    """A live line with loss, accuracy and the most time left; `update` takes a TrainingResult."""

    def __init__(self, settings: RunSettings):
        from tqdm import tqdm

        self._bar = tqdm(total=settings.training.n_trials, unit="trial", desc=f"{settings.task} seed {settings.seed}")

    def update(self, result) -> None:
        test = result.tests[-1]
        self._bar.set_postfix_str(f"loss {test['loss']:.2f}, accuracy {test['accuracy']:.2f}", refresh=False)
        self._bar.update(result.n_trials - self._bar.n)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._bar.close()


class ProgressLog:
    """A line of text at most every `interval` seconds, for the log of a job that trains many networks."""

    def __init__(self, name: str, settings: RunSettings, interval: float = 5.0, file=None):
        self._name, self._limit, self._interval = name, settings.training.n_trials, interval
        self._file, self._last = file or sys.stderr, -interval

    def update(self, result) -> None:
        now = time.monotonic()
        if now - self._last < self._interval and not result.trained and result.n_trials < self._limit:
            return
        self._last, test = now, result.tests[-1]
        left = (self._limit - result.n_trials) * result.seconds / result.n_trials
        say(
            f"{self._name}: trial {result.n_trials}/{self._limit}, loss {test['loss']:.2f}, "
            f"accuracy {test['accuracy']:.2f}, at most {left:.0f} s left",
            self._file,
        )
