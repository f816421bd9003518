"""The display on a terminal, which is drawn again every second below what has been said."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

from ratecore.experiment.terminal.board import Status
from ratecore.experiment.terminal.words import about, counted, doing, duration

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

MOST_ROWS = 12  # of what is under way
NARROW = 72  # columns below which the loss and the limit of trials are left out


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

    def say(self, text: str, style: str = "") -> None:
        """Write something above the display.

        Args:
            text: to write.
            style: of rich, such as 'red'.
        """
        self.console.print(text, style=style or None, markup=False, soft_wrap=True)

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

    return Group(Text(), _head(status, width), _counts(status), _table(status, width, max(1, height - 10)))


def _head(status: Status, width: int) -> Table:
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    head = Table.grid(padding=(0, 2), expand=False)
    words = Text.assemble((f"{status.done:,}", "bold"), f" of {counted(status.networks, 'network')} done")
    time = duration(status.seconds) + ("" if status.left is None else f", {about(status.left)} left")
    room = width - len(words) - len(time) - 6
    done, jobs = (sum(counts) for counts in zip(*status.kinds.values(), strict=True)) if status.kinds else (0, 1)
    if room >= 8:
        head.add_row(words, ProgressBar(total=max(jobs, 1), completed=done, width=min(room, 36)), time)
    else:
        head.add_row(words, time)
    return head


def _counts(status: Status) -> Text:
    from rich.text import Text

    text = Text(style="dim")
    for kind, (done, planned) in status.kinds.items():
        text.append(f"{' · ' if text else ''}{doing(kind)} {done:,}/{planned:,}")
    if status.ended:
        text.append(f"\n{status.trained:,} of {status.ended:,} trained so far met the criterion")
    if status.failed:
        text.append(f"\n{counted(status.failed, 'job')} failed", style="bold red")
    return text


def _table(status: Status, width: int, most: int) -> Table:
    from rich.table import Table

    table = Table.grid(padding=(0, 2), expand=False)
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=None)
    for _ in range(3):
        table.add_column(no_wrap=True)
    shown = status.rows[: min(most, MOST_ROWS)]
    for row in shown:
        progress = row.progress
        if progress is None or progress.trial is None:
            table.add_row(row.doing, row.who, duration(row.seconds), "", "")
            continue
        trial = f"trial {progress.trial:,}" + (f" of {row.most:,}" if width >= NARROW else "")
        loss = f"loss {progress.loss:.3g}" if progress.loss is not None and width >= NARROW else ""
        accuracy = "" if progress.accuracy is None else f"accuracy {progress.accuracy:.2f}"
        table.add_row(row.doing, row.who, trial, loss, accuracy)
    if len(status.rows) > len(shown):
        table.add_row("", f"... and {len(status.rows) - len(shown):,} more", "", "", "")
    return table
