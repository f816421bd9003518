"""The display on a terminal, which is drawn again every second below what has been said."""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING, TextIO

from ratecore.experiment.terminal.board import Row, Status
from ratecore.experiment.terminal.words import about, counted, doing, duration

if TYPE_CHECKING:
    from rich.console import Group, RenderableType
    from rich.text import Text

MOST_ROWS = 12  # of what is under way
NARROW, NARROWEST = 72, 56  # columns below which loss and limit of trials, and the accuracy, are left out
GAP = 2  # columns between columns


class Screen:
    """Draws the display.

    Args:
        stream: the terminal.
        colour: whether to use colours.
    """

    def __init__(self, stream: TextIO, colour: bool = True) -> None:
        from rich.console import Console

        self.console = Console(file=stream, force_terminal=True, no_color=None if colour else True, highlight=False)
        self._live: object = None

    def say(self, text: str, style: str = "", wrap: bool = False) -> None:
        """Write something above the display.

        Args:
            text: to write.
            style: of rich, such as 'red'.
            wrap: whether lines end between words; otherwise the terminal breaks them, and paths can be copied.
        """
        if wrap:
            width = max(40, self.console.width)
            text = textwrap.fill(text, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
        self.console.print(text, style=style or None, markup=False, soft_wrap=True)

    def is_due(self, seconds: float) -> bool:
        """Whether it is time to draw, which it always is.

        Args:
            seconds: s since the jobs were planned.

        Returns:
            True.
        """
        return True

    def tick(self, status: Status) -> None:
        """Draw where the workflow is.

        Args:
            status: of the workflow.
        """
        from rich.live import Live

        drawn = picture(status, self.console.width, self.console.height)
        if self._live is None:
            self._live = Live(
                drawn,
                console=self.console,
                auto_refresh=False,
                transient=True,  # what it shows at last is said by the closing words
                redirect_stdout=sys.stdout.isatty(),
                redirect_stderr=sys.stderr.isatty(),
            )
            self._live.start(refresh=True)
        elif isinstance(self._live, Live):
            self._live.update(drawn, refresh=True)

    def stop(self) -> None:
        """Remove the display and leave the terminal as it was."""
        from rich.live import Live

        live, self._live = self._live, None
        if isinstance(live, Live):
            live.stop()


def picture(status: Status, width: int = 100, height: int = 40) -> Group:
    """What the display shows.

    Args:
        status: of the workflow.
        width: columns of the terminal.
        height: its lines.

    Returns:
        what rich draws.
    """
    from rich.console import Group
    from rich.text import Text

    return Group(Text(), _head(status, width), _counts(status), _table(status, width, max(1, height - 11)))


def _head(status: Status, width: int) -> RenderableType:
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    words = Text.assemble((f"{status.done:,}", "bold"), f" of {counted(status.networks, 'network')} done")
    time = duration(status.seconds) + ("" if status.left is None else f", {about(status.left)} left")
    room = width - len(words) - len(time) - 2 * GAP
    if room < 8:
        return Text("\n").join([words, Text(time)])
    done, jobs = (sum(counts) for counts in zip(*status.kinds.values(), strict=True)) if status.kinds else (0, 0)
    head = Table.grid(padding=(0, GAP))
    bar = ProgressBar(jobs, done, min(room - GAP, 36), complete_style="green", finished_style="green")
    head.add_row(words, bar, time)
    return head


def _counts(status: Status) -> Text:
    from rich.text import Text

    text = Text(style="dim")
    for kind, (done, planned) in status.kinds.items():
        text.append(f"{' · ' if text else ''}{doing(kind)} {done:,}/{planned:,}")
    if status.ended:
        text.append(f"\n{status.trained:,} of {status.ended:,} networks trained so far met the criterion")
    if status.failed:
        text.append(f"\n{counted(status.failed, 'job')} failed", style="bold red")
    return text


def _table(status: Status, width: int, most: int) -> Text:
    """What is under way, in columns. Where the terminal is narrow, names of networks are cut and not numbers."""
    from rich.text import Text

    shown = status.rows[: min(most, MOST_ROWS)]
    cells = [[row.doing, row.who, *_numbers(row, width)] for row in shown]
    columns = max(map(len, cells), default=0)
    sizes = [max((len(row[k]) for row in cells if k < len(row)), default=0) for k in range(columns)]
    if columns:
        rest = width - sum(sizes) + sizes[1] - GAP * (columns - 1)
        sizes[1] = max(min(sizes[1], rest), 6)
    text = Text(no_wrap=True, overflow="ellipsis")
    for row in cells:
        words = [cell if len(cell) <= size else f"{cell[: size - 1]}…" for cell, size in zip(row, sizes, strict=False)]
        padded = [word.ljust(size + GAP) for word, size in zip(words, sizes, strict=False)]
        text.append(padded[0], "cyan").append("".join(padded[1:]).rstrip() + "\n")
    if left_out := status.others + len(status.rows) - len(shown):
        text.append(f"... and {left_out:,} more")
    return text


def _numbers(row: Row, width: int) -> list[str]:
    progress = row.progress
    if progress is None or progress.trial is None:
        return [duration(row.seconds)]
    is_wide = width >= NARROW
    numbers = [f"trial {progress.trial:,}" + (f" of {row.most:,}" if is_wide else "")]
    if progress.loss is not None and is_wide:
        numbers.append(f"loss {progress.loss:.3g}")
    if progress.accuracy is not None and width >= NARROWEST:
        numbers.append(f"accuracy {progress.accuracy:.2f}")
    return numbers
