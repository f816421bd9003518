"""The logger plugin: what it chooses, that it breaks no workflow, and that other Snakemakes do not pay for it."""

import io
import logging
import os
import pty
import subprocess
import sys
from types import SimpleNamespace

import pytest
from messages_of_snakemake import job_info, message
from snakemake.settings.enums import Quietness
from snakemake_interface_logger_plugins.registry import LoggerPluginRegistry
from snakemake_interface_logger_plugins.tests import TestLogHandlerBase

from ratecore.experiment.terminal import shown
from ratecore.experiment.terminal.display import Display
from ratecore.experiment.terminal.handler import MODES, LogHandler, LogHandlerSettings
from ratecore.experiment.terminal.lines import Lines
from ratecore.experiment.terminal.screen import Screen


def settings(**changes):
    fields = dict(printshellcmds=False, nocolor=False, quiet=None, debug_dag=False, verbose=False,
                  show_failed_logs=True, stdout=False, dryrun=False)  # fmt: skip
    return SimpleNamespace(**{**fields, **changes})


@pytest.fixture
def made(monkeypatch):
    """Function that makes a handler, whose output is in `out`."""
    handlers = []

    def make(stream=None, show="auto", **changes):
        monkeypatch.setattr(sys, "stderr", stream or io.StringIO())
        handler = LogHandler(settings(**changes), LogHandlerSettings(show=show))
        handlers.append(handler)
        handler.out = sys.stderr
        return handler

    yield make
    for handler in handlers:
        handler.close()
    assert shown.current() is None and shown.REPORTED not in os.environ


class TestContract(TestLogHandlerBase):
    """Snakemake's own tests of a logger plugin."""

    __test__ = True

    def get_log_handler_cls(self):
        return LogHandler

    def get_log_handler_settings(self):
        return LogHandlerSettings()

    @pytest.fixture(autouse=True)
    def closed(self):
        yield
        shown.show_on(None)


def test_snakemake_finds_it_by_the_name_of_its_package():
    plugin = LoggerPluginRegistry().get_plugin("ratecore")
    assert plugin.log_handler.__name__ == "LogHandler"
    (option,) = plugin.get_settings_info()
    assert option["cliarg"] == "--logger-ratecore-show" and tuple(option["choices"]) == MODES


@pytest.mark.parametrize(("is_terminal", "show", "changes", "term", "front"), [
    (True, "auto", {}, "xterm", Screen), (False, "auto", {}, "xterm", Lines), (True, "lines", {}, "xterm", Lines),
    (False, "screen", {}, "xterm", Screen), (True, "auto", {}, "dumb", Lines),
    (True, "auto", {"dryrun": True}, "xterm", Lines),
    (True, "snakemake", {}, "xterm", None), (True, "auto", {"verbose": True}, "xterm", None),
    (False, "lines", {"printshellcmds": True}, "xterm", None), (False, "auto", {"debug_dag": True}, "xterm", None),
])  # fmt: skip
def test_what_is_shown_depends_on_the_terminal_and_the_options(
    made, monkeypatch, is_terminal, show, changes, term, front
):
    monkeypatch.setenv("TERM", term)
    main, side = pty.openpty()
    stream = open(side, "w", encoding="utf-8") if is_terminal else io.StringIO()
    handler = made(stream, show, **changes)
    display = shown.current()
    assert (display is None) == (front is None) == (shown.REPORTED not in os.environ)
    assert display is None or type(display.front) is front
    if display is not None:
        assert shown.failures_are_shown()
        monkeypatch.setenv("SLURM_JOB_ID", "7")
        assert not shown.failures_are_shown()
    handler.close()
    stream.close()
    os.close(main)


def test_without_the_display_snakemakes_messages_are_shown(made):
    handler = made(show="snakemake")
    handler.emit(message("Building DAG of jobs..."))
    assert handler.out.getvalue() == "Building DAG of jobs...\n"


@pytest.mark.parametrize("part", ["see", "tick", "end"])
def test_a_display_that_breaks_says_so_once_and_snakemakes_messages_follow(made, monkeypatch, part):
    def broken(*arguments):
        raise ValueError("a defect")

    monkeypatch.setattr("ratecore.experiment.terminal.display.EVERY", 0.001)
    monkeypatch.setattr(Display, part, broken)
    handler = made()
    if part == "see":
        handler.emit(message("Building DAG of jobs..."))
    elif part == "tick":
        while shown.current() is not None:
            pass
    else:
        handler.close()
    handler.emit(message("Select jobs to execute..."))
    lines = handler.out.getvalue().splitlines()
    assert lines[0] == "The display of the grid broke, and Snakemake's messages follow. ValueError: a defect"
    assert lines[1:] == ["Building DAG of jobs..."] * (part == "see") + ["Select jobs to execute..."]


def test_a_display_that_cannot_begin_is_replaced(made, monkeypatch):
    def broken(*arguments, **named):
        raise OSError("no terminal")

    monkeypatch.setattr("ratecore.experiment.terminal.lines.Lines.__init__", broken)
    handler = made()
    handler.emit(job_info(1, "train", "x"))
    assert "no terminal" in handler.out.getvalue() and "rule train:" in handler.out.getvalue()


def test_quiet_shows_errors_alone(made):
    handler = made(quiet={Quietness.ALL})
    handler.emit(message("Unlocked working directory."))
    handler.emit(message("WorkflowError:\nno space", "error", logging.ERROR))
    assert handler.out.getvalue() == "WorkflowError:\nno space\n"
    handler = made(quiet={Quietness.HOST})
    handler.emit(message("Unlocked working directory."))
    assert handler.out.getvalue() == "Unlocked working directory.\n"


def test_the_closing_words_wait_for_all_messages(monkeypatch):
    """`settle` returns once the thread of Snakemake's queue has shown what came before."""
    from logging.handlers import QueueHandler, QueueListener
    from queue import Queue

    from snakemake.logging import logger

    out, queue = io.StringIO(), Queue()
    display = Display(Lines(out))
    handler = logging.Handler()
    handler.emit = display.see
    listener = QueueListener(queue, handler)
    monkeypatch.setattr(logger, "handlers", [QueueHandler(queue)])
    monkeypatch.setattr(logger, "level", logging.INFO)
    shown.show_on(display)
    try:
        for number in range(100):
            logger.info(f"sentence {number}")
        listener.start()
        shown.settle()
        assert out.getvalue().count("sentence") == 100
    finally:
        listener.stop()
        shown.show_on(None)


def test_importing_the_plugin_is_quick():
    code = (
        "import sys, snakemake_logger_plugin_ratecore;"
        "print([name for name in ('torch', 'numba', 'rich', 'pandas', 'pydantic', 'snakemake') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


class Gone(io.StringIO):
    """A pipe that nobody reads any longer."""

    def write(self, text):
        raise BrokenPipeError(32, "Broken pipe")


def test_a_terminal_that_was_closed_stops_nothing(made):
    handler = made(Gone())
    handler.emit(message("Unlocked working directory.", None, logging.WARNING))
    assert shown.current() is None
