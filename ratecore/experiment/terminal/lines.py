"""The display in a log, where there is no terminal: a line when something has changed, and not too often."""

from __future__ import annotations

import shutil
import textwrap
from typing import TextIO

from ratecore.experiment.terminal.board import Row, Status
from ratecore.experiment.terminal.words import about, counted, duration

FIRST, LAST = 10.0, 600.0  # s between lines at first and after hours
GROWTH = 1.4
MOST_NAMED = 2  # networks under way that a line names


def state_of(status: Status) -> str:
    """The counts and the time left: '4 of 12 networks done, 1 failed; about 2 min left'.

    Args:
        status: of the workflow.

    Returns:
        the words.
    """
    text = f"{status.done:,} of {counted(status.networks, 'network')} done"
    if status.failed:
        text += f", {counted(status.failed, 'job')} failed"
    return text if status.left is None else f"{text}, {about(status.left)} left"


def numbers_of(row: Row) -> str:
    """How far something is: 'trial 1,200 of 6,000, loss 3.12, accuracy 0.62', or since when it is under way.

    Args:
        row: of a status.

    Returns:
        the words.
    """
    progress = row.progress
    if progress is None or progress.trial is None:
        return duration(row.seconds)
    text = f"trial {progress.trial:,} of {row.most:,}"
    if progress.loss is not None:
        text += f", loss {progress.loss:.3g}"
    return text if progress.accuracy is None else f"{text}, accuracy {progress.accuracy:.2f}"


class Lines:
    """Writes lines.

    Args:
        stream: to write to.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._wait = stream, FIRST
        self._next = FIRST
        self._said = ""

    def say(self, text: str, style: str = "", wrap: bool = False) -> None:
        """Write something at once.

        Args:
            text: to write.
            style: ignored; a log has no colours.
            wrap: whether lines on a terminal end between words.
        """
        if wrap and self._stream.isatty():
            width = max(40, shutil.get_terminal_size().columns)
            text = textwrap.fill(text, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
        print(text, file=self._stream, flush=True)

    def is_due(self, seconds: float) -> bool:
        """Whether it is time for a line.

        Args:
            seconds: s since the jobs were planned.

        Returns:
            True if it is.
        """
        return seconds >= self._next

    def tick(self, status: Status) -> None:
        """Write where the workflow is, if that has changed.

        Args:
            status: of the workflow.
        """
        rows = sorted(status.rows, key=lambda row: row.progress is None)
        named = "; ".join(f"{row.doing} {row.who}".rstrip() + f": {numbers_of(row)}" for row in rows[:MOST_NAMED])
        left_out = status.others + max(0, len(rows) - MOST_NAMED)
        more = f"; {left_out:,} more" if left_out else ""
        text = state_of(status) + (f". {named}{more}" if named else "")
        self._wait = min(self._wait * GROWTH, LAST)
        self._next = status.seconds + self._wait
        if text != self._said:
            self.say(f"{duration(status.seconds)}: {text}")
        self._said = text

    def stop(self) -> None:
        """Nothing is left on the screen."""
