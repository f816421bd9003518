"""The logger plugin of Snakemake. Importing it is quick, since every Snakemake of this Python does.

Without `from __future__ import annotations`: Snakemake reads the types of the settings.
"""

import contextlib
import logging
import os
import sys
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TextIO

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.settings import LogHandlerSettingsBase

if TYPE_CHECKING:
    from ratecore.experiment.terminal.display import Display

MODES = ("auto", "screen", "lines", "snakemake")


@dataclass
class LogHandlerSettings(LogHandlerSettingsBase):
    """Options of the plugin: `--logger-ratecore-show`.

    Attributes:
        show: one of MODES.
    """

    show: str = field(
        default="auto",
        metadata={
            "help": "What is shown of a grid: 'screen', a display that is drawn again and again; 'lines', for logs; "
            "'snakemake', the messages of Snakemake; 'auto', a screen on a terminal and lines elsewhere.",
            "env_var": True,
            "choices": list(MODES),
        },
    )


class LogHandler(LogHandlerBase):
    """Shows the grid instead of Snakemake's messages, and those if it breaks."""

    def __post_init__(self) -> None:
        self._stream: TextIO = sys.stdout if self.common_settings.stdout else sys.stderr
        self._own: logging.Handler | None = None  # Snakemake's, once it is needed
        self._display: Display | None = None
        self._ended = threading.Event()
        if not self._shows_snakemake():
            try:
                self._begin()
            except Exception as error:
                self._fall_back(error)

    def _shows_snakemake(self) -> bool:
        """Whether the user wants to read what Snakemake says."""
        common = self.common_settings
        return self._mode() == "snakemake" or bool(common.verbose or common.debug_dag or common.printshellcmds)

    def _is_quiet(self) -> bool:
        """Whether the user wants to see no progress: `--quiet` alone, or with 'all' or 'progress'."""
        chosen = {str(getattr(one, "name", one)).lower() for one in self.common_settings.quiet or ()}
        return bool(chosen & {"all", "progress"})

    def _mode(self) -> str:
        return getattr(self.settings, "show", None) or "auto"

    def _begin(self) -> None:
        from ratecore.experiment.terminal import shown
        from ratecore.experiment.terminal.display import EVERY, Display
        from ratecore.experiment.terminal.lines import Lines
        from ratecore.experiment.terminal.screen import Screen

        common, mode = self.common_settings, self._mode()
        is_terminal = self._stream.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")
        on_screen = not common.dryrun and (mode == "screen" or (mode == "auto" and is_terminal))
        front = Screen(self._stream, not common.nocolor) if on_screen else Lines(self._stream)
        self._display = Display(front, dry=bool(common.dryrun), quiet=self._is_quiet())
        shown.show_on(self._display)
        threading.Thread(target=self._look, args=(EVERY,), daemon=True, name="ratecore display").start()

    def _look(self, every: float) -> None:
        while not self._ended.wait(every):
            try:
                if self._display is not None:
                    self._display.tick()
            except Exception as error:
                self._fall_back(error)

    def emit(self, record: logging.LogRecord) -> None:
        """Show a message.

        Args:
            record: of Snakemake.
        """
        try:
            if self._display is not None:
                self._display.see(record)
                return
        except Exception as error:
            self._fall_back(error)
        with contextlib.suppress(BrokenPipeError):  # nobody reads it any longer; the log file has everything
            self._snakemakes().handle(record)

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._ended.set()
        try:
            if self._display is not None:
                self._display.end()
        except Exception as error:
            self._fall_back(error)
        self._forget()
        super().close()

    def _fall_back(self, error: Exception) -> None:
        """Show Snakemake's messages from now on."""
        display, self._display = self._display, None
        self._forget()
        if display is not None:
            with contextlib.suppress(Exception):
                display.front.stop()
        text = f"The display of the grid broke, and Snakemake's messages follow. {type(error).__name__}: {error}"
        with contextlib.suppress(OSError, ValueError):  # the terminal may have been closed
            print(text, file=self._stream, flush=True)

    def _forget(self) -> None:
        shown: Any = sys.modules.get("ratecore.experiment.terminal.shown")
        if shown is not None:
            shown.show_on(None)

    def _snakemakes(self) -> logging.Handler:
        """What Snakemake shows its messages with."""
        if self._own is None:
            from snakemake.logging import ColorizingTextHandler, DefaultFilter, DefaultFormatter

            common = self.common_settings
            choices = (common.quiet, common.debug_dag, common.verbose, common.dryrun, common.printshellcmds)
            self._own = ColorizingTextHandler(
                nocolor=common.nocolor,
                stream=self._stream,
                formatter=DefaultFormatter(common.quiet, common.show_failed_logs),
                filter=DefaultFilter(*choices),
            )
        return self._own

    @property
    def writes_to_stream(self) -> bool:
        """Whether it takes the place of Snakemake's messages on the terminal."""
        return True

    @property
    def writes_to_file(self) -> bool:
        """Whether it writes a log file."""
        return False

    @property
    def has_filter(self) -> bool:
        """Whether it chooses the messages itself."""
        return True

    @property
    def has_formatter(self) -> bool:
        """Whether it formats the messages itself."""
        return True

    @property
    def needs_rulegraph(self) -> bool:
        """Whether it needs the graph of rules."""
        return False
