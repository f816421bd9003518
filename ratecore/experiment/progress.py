"""Progress of training: a live line on a terminal, plain lines in a log."""

from __future__ import annotations

import contextlib
import sys
import time
import warnings
from typing import TYPE_CHECKING, Any, Self, TextIO

from ratecore.settings.run import RunSettings

if TYPE_CHECKING:
    from ratecore.rate.results import TrainingResult


def say(text: str, file: TextIO | None) -> None:
    """Print a line at once. A log that cannot be written, for example on a full disk, does not stop the work.

    Args:
        text: to print.
        file: to print to.
    """
    with contextlib.suppress(OSError):
        print(text, file=file, flush=True)


def saved_at(error: BaseException) -> str:
    """Where stopped work was saved: ', saved at trial 10,800'.

    Args:
        error: that ended the work.

    Returns:
        the words; '' if it is not known.
    """
    trial = getattr(error, "trial", None)
    return "" if trial is None else f", saved at trial {trial:,}"


def _tqdm() -> Any:
    """The class of progress bars that fits where Python runs: on a terminal, in Jupyter, or in Jupyter as text."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a notebook without ipywidgets gets the bar as text, which is no fault
        from tqdm.auto import tqdm
    return tqdm


class ProgressBar:
    """A live line with loss, accuracy and the longest remaining time; in Jupyter a bar, if ipywidgets is installed.

    Args:
        settings: of the run.
    """

    def __init__(self, settings: RunSettings) -> None:
        self._bar = _tqdm()(
            total=settings.training.most_trials, unit="trial", desc=f"{settings.task} seed {settings.seed}"
        )

    def update(self, result: TrainingResult) -> None:
        """Show the last test.

        Args:
            result: of the training so far.
        """
        test = result.tests[-1]
        self._bar.set_postfix_str(f"loss {test['loss']:.2f}, accuracy {test['accuracy']:.2f}", refresh=False)
        self._bar.update(result.n_trials - self._bar.n)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()


class ProgressLog:
    """A line of text at most every `interval` seconds, for the log of a job that trains many networks.

    Args:
        name: of the run.
        settings: of the run.
        interval: s.
        file: to print to; None for standard error.
    """

    def __init__(self, name: str, settings: RunSettings, interval: float = 5.0, file: TextIO | None = None) -> None:
        self._name, self._limit, self._interval = name, settings.training.most_trials, interval
        self._stages = len(settings.training.stages)
        self._file, self._last = file or sys.stderr, -interval

    def update(self, result: TrainingResult) -> None:
        """Print the last test, if it is time or training has ended.

        Args:
            result: of the training so far.
        """
        now = time.monotonic()
        if now - self._last < self._interval and not result.trained and result.n_trials < self._limit:
            return
        self._last, test = now, result.tests[-1]
        left = (self._limit - result.n_trials) * result.seconds / result.n_trials
        stage = f" of stage {test['stage']}/{self._stages}" if self._stages else ""
        say(
            f"{self._name}: trial {result.n_trials}/{self._limit}{stage}, loss {test['loss']:.2f}, "
            f"accuracy {test['accuracy']:.2f}, at most {left:.0f} s left",
            self._file,
        )
