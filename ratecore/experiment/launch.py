"""A call of the workflow: options that can run nothing, commands to repeat or continue it, and Ctrl-C."""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from ratecore.system.redaction import without_secrets
from ratecore.tracking.mlflow.sqlite import sqlite_file

StrPath = str | os.PathLike[str]


class StopFilter(logging.Filter):
    """Knows from Snakemake's messages whether it was stopped (Ctrl-C, SIGTERM).

    As a filter of a handler it hides later errors: every job then ends with one, in red and with its complete log,
    although nothing is wrong. The closing words say what broke. A second Ctrl-C does not end Snakemake, which would
    print a traceback instead of the closing words.
    """

    MESSAGES = ("Terminating processes on user request", "Will exit after finishing", "Cancelling snakemake")

    def __init__(self) -> None:
        super().__init__()
        self.stopped = self._reassured = False
        self._before: Any = None  # the handler of Ctrl-C before the first one

    def see(self, record: logging.LogRecord) -> bool:
        """Watch the messages, as a filter of a logger.

        Args:
            record: the message.

        Returns:
            True: every message passes.
        """
        if not self.stopped and str(record.msg).startswith(self.MESSAGES):
            self.stopped = True
            if threading.current_thread() is threading.main_thread():  # no other thread can set handlers
                self._before = signal.signal(signal.SIGINT, self._again)
        return True

    def _again(self, number: int, frame: FrameType | None) -> None:
        if not self._reassured:
            self._reassured = True
            os.write(2, b"\nSaving unfinished networks, which takes a few seconds. Press Ctrl-\\ to quit at once.\n")

    def listen_again(self) -> None:
        """Let Ctrl-C end what follows the closing words."""
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None

    def filter(self, record: logging.LogRecord) -> bool:
        """Hide errors after a stop, as a filter of a handler.

        Args:
            record: the message.

        Returns:
            whether it is shown.
        """
        return not self.stopped or record.levelno < logging.ERROR


def hide_errors_after_stop(logger: logging.Logger) -> StopFilter:
    """Have Snakemake's terminal show no errors after a stop; its log file keeps them.

    Args:
        logger: of Snakemake.

    Returns:
        the filter.
    """
    stop = StopFilter()
    logger.addFilter(stop.see)
    for handler in logger.handlers:
        if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
            handler.addFilter(stop)
    return stop


def cannot_run(cores: int | None, nodes: int | None, rate: int | None, threads: int | None) -> list[str]:
    """Why no job can ever start. Snakemake would wait forever or fail for another reason.

    A job that asks for more of any other resource than there is gets what there is. None means no limit.

    Args:
        cores: `--cores`; None if jobs run elsewhere.
        nodes: `--jobs` of a cluster; None without one.
        rate: jobs of `--max-jobs-per-timespan`.
        threads: `--max-threads`.

    Returns:
        a line for each option: its value, and what is allowed.
    """
    options = {
        "--cores": (cores, ", or 'all'"),
        "--jobs": (nodes, ""),
        "--max-threads": (threads, ""),
        "--max-jobs-per-timespan": (rate, ", as in 10/1s"),
    }
    return [
        f"{name} {value}: no job can run; it must be at least 1{else_}"
        for name, (value, else_) in options.items()
        if value is not None and value < 1
    ]


def same_snakemake(
    argv: list[str], snakefile: StrPath, configfiles: Sequence[StrPath], directory: str | None, uri: str = ""
) -> list[str]:
    """The words of the `snakemake` command that uses the same workflow and configuration, without other options.

    Args:
        argv: of the command that ran.
        snakefile: that it used.
        configfiles: given by `--configfile`.
        directory: given by `--directory`; None without it.
        uri: tracking URI, whose passwords are left out.

    Returns:
        the words.
    """
    here = Path.cwd() if directory is None else None

    def named(path: StrPath) -> str:
        path = Path(path).absolute()
        return str(path.relative_to(here)) if here and path.is_relative_to(here) else str(path)

    words = [_program(argv[0], "snakemake", here)]
    found_by_itself = ("Snakefile", "snakefile", "workflow/Snakefile", "workflow/snakefile")
    first = next((name for name in found_by_itself if here and (here / name).exists()), None)
    if named(snakefile) != first:
        words += ["--snakefile", named(snakefile)]
    if directory is not None:
        words += ["--directory", str(Path.cwd())]
    if configfiles:
        words += ["--configfile", *map(named, configfiles)]
    if changes := _overrides(argv[1:]):
        words += ["--config", *(without_secrets(change, uri) for change in changes)]
    return words


def _program(typed: str, name: str, here: Path | None) -> str:
    """How to call a program from the user's shell: by its name if it is on the path, else as it was called."""
    found = shutil.which(name)
    under_make = "MAKELEVEL" in os.environ  # make may have put a folder on the path
    if found and not under_make and Path(typed).name == name and Path(found).samefile(typed):
        return name
    if Path(typed).name == name:
        return typed if here and not os.path.isabs(typed) else os.path.abspath(typed)
    return f"{sys.executable} -m {name}"


def _overrides(arguments: list[str]) -> list[str]:
    """The values of `--config`, also given as `-C` and `--config=...`."""
    found, taking = [], False
    for word in arguments:
        if word.startswith("-") and not word.lstrip("-")[:1].isdigit():
            option, is_joined, value = word.partition("=")
            taking = option in ("--config", "-C")
            found += [value] if taking and is_joined else []
        elif taking:
            found.append(word)
    return found


def shell(words: list[str]) -> str:
    """Quote a command for a shell.

    Args:
        words: of the command. The first one may have several words: `python -m snakemake`.

    Returns:
        the command.
    """
    program = words[0] if " -m " in words[0] else shlex.quote(words[0])
    return " ".join([program, *map(shlex.quote, words[1:])])


def _ratecore() -> str:
    """How to call `ratecore` from the user's shell: by its name if that is the one of this Python."""
    found = shutil.which("ratecore")
    ours = found and Path(found).parent == Path(sys.executable).parent and "MAKELEVEL" not in os.environ
    return "ratecore" if ours else f"{sys.executable} -m ratecore.cli"


def ui_command(uri: str, results: StrPath, repository: StrPath, directory: str | None = None) -> str:
    """How to open MLflow: its address, or the command that starts its server for the store in use.

    Args:
        uri: tracking URI.
        results: folder of all results.
        repository: folder of ratecore's workflow, whose Makefile may have `make ui`.
        directory: given by `--directory`; None without it.

    Returns:
        the address or command.
    """
    if uri.startswith(("http://", "https://")):
        return without_secrets(uri, uri)
    address = "then http://127.0.0.1:5000"
    repository, results = Path(repository), Path(results)
    own = Path(f"{results.resolve()}/mlflow.db")
    if directory is None and Path.cwd() == repository.absolute() and sqlite_file(uri) == own:
        if (repository / "Makefile").is_file() and (repository / ".venv/bin/mlflow").exists():
            option = "" if results == Path("results") else f" RESULTS={shlex.quote(str(results))}"
            return f"`make ui{option}`, {address}"
    if sqlite_file(uri) == own:
        where = str(results if directory is None else results.resolve())
        arguments = [] if where == "results" else [where]
        return f"`{shell([_ratecore(), 'ui', *arguments])}`, {address}"
    shown = shlex.quote(uri)
    if without_secrets(uri, uri) != uri:
        shown = '"$MLFLOW_TRACKING_URI"' if os.environ.get("MLFLOW_TRACKING_URI") == uri else "<tracking.uri>"
    beside = Path(sys.executable).with_name("mlflow")
    mlflow = "mlflow" if shutil.which("mlflow") and "MAKELEVEL" not in os.environ else shlex.quote(str(beside))
    return f"`{mlflow} server --port 5000 --backend-store-uri {shown}`, {address}"
