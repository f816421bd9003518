"""A launch of the workflow: what cannot run, the commands that fit it, and what Ctrl-C means."""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import signal
import sys
import threading
from pathlib import Path

from ratecore.system.redaction import without_secrets
from ratecore.tracking.mlflow.sqlite import sqlite_file


class StopFilter(logging.Filter):
    """Knows from Snakemake's messages whether it was told to end (Ctrl-C, SIGTERM).

    As a filter of a handler it keeps back the errors after that: every job ends with one then, in red and with its
    whole log, though nothing is wrong. What broke is said in the closing words. A second Ctrl-C does not end Snakemake,
    which would leave without these words, with a traceback in their place.
    """

    MESSAGES = ("Terminating processes on user request", "Will exit after finishing", "Cancelling snakemake")

    def __init__(self):
        super().__init__()
        self.stopped = self._patience = False
        self._before = None  # what a Ctrl-C did before the first

    def see(self, record: logging.LogRecord) -> bool:
        """As a filter of a logger: takes note, and lets everything pass."""
        if not self.stopped and str(record.msg).startswith(self.MESSAGES):
            self.stopped = True
            if threading.current_thread() is threading.main_thread():  # no other can ask for signals
                self._before = signal.signal(signal.SIGINT, self._again)
        return True

    def _again(self, number, frame) -> None:
        if not self._patience:
            self._patience = True
            os.write(2, b"\nSaving unfinished networks, which takes a few seconds. Press Ctrl-\\ to quit at once.\n")

    def listen_again(self) -> None:
        """Lets Ctrl-C end what comes after the closing words."""
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None

    def filter(self, record: logging.LogRecord) -> bool:
        return not self.stopped or record.levelno < logging.ERROR


def hide_errors_after_stop(logger: logging.Logger) -> StopFilter:
    """Has Snakemake's terminal show no errors once it was told to end; its log file keeps them."""
    stop = StopFilter()
    logger.addFilter(stop.see)
    for handler in logger.handlers:
        if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
            handler.addFilter(stop)
    return stop


def cannot_run(cores: int | None, nodes: int | None, rate: int | None, threads: int | None) -> list[str]:
    """Why no job can ever start: Snakemake would wait without end, or fail for another reason.

    A job that asks for more of any other resource than there is gets what there is.

    Args:
        cores: `--cores`; None where jobs run elsewhere.   nodes: `--jobs` of a cluster, None without one.
        rate: jobs of `--max-jobs-per-timespan`.   threads: `--max-threads`. None of them is limited by None.

    Returns:
        a line for each option: its value, and what is allowed.
    """
    options = {"--cores": (cores, ", or 'all'"), "--jobs": (nodes, ""), "--max-threads": (threads, ""),
               "--max-jobs-per-timespan": (rate, ", as in 10/1s")}  # fmt: skip
    return [
        f"{name} {value}: no job can run; it must be at least 1{else_}"
        for name, (value, else_) in options.items()
        if value is not None and value < 1
    ]


def same_snakemake(argv: list[str], snakefile, configfiles: list, directory: str | None, uri: str = "") -> list[str]:
    """The words of the `snakemake` command that finds the workflow and configuration that ran, but for its options.

    Args:
        argv: of the command that ran.   snakefile, configfiles: that it used; of the latter those of `--configfile`.
        directory: of `--directory`; None without it.   uri: tracking URI, whose passwords are left out.
    """
    here = Path.cwd() if directory is None else None

    def named(path) -> str:
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
    """How a program is called from the user's shell: by its name if it is on the path, else as it was called."""
    found = shutil.which(name)
    under_make = "MAKELEVEL" in os.environ  # make may have put a folder on the path
    if found and not under_make and Path(typed).name == name and Path(found).samefile(typed):
        return name
    if Path(typed).name == name:
        return typed if here and not os.path.isabs(typed) else os.path.abspath(typed)
    return f"{sys.executable} -m {name}"


def _overrides(arguments: list[str]) -> list[str]:
    """The values of `--config`, also as `-C` and `--config=...`."""
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
    """A command as a shell takes it. The first word may be several: `python -m snakemake`."""
    program = words[0] if " -m " in words[0] else shlex.quote(words[0])
    return " ".join([program, *map(shlex.quote, words[1:])])


def _ratecore() -> str:
    """How `ratecore` is called from the user's shell: by its name if that is the one of this Python."""
    found = shutil.which("ratecore")
    ours = found and Path(found).parent == Path(sys.executable).parent and "MAKELEVEL" not in os.environ
    return "ratecore" if ours else f"{sys.executable} -m ratecore.cli"


def ui_command(uri: str, results, repository, directory: str | None = None) -> str:
    """How MLflow is looked at: its address, or the command that starts its server for the store in use.

    Args:
        uri: tracking URI.   results: folder of all results.   repository: the folder of ratecore's workflow, whose
            Makefile knows `make ui`.   directory: of `--directory`; None without it.
    """
    if uri.startswith(("http://", "https://")):
        return without_secrets(uri, uri)
    address = "then http://127.0.0.1:5000"
    repository, results = Path(repository), Path(results)
    own = Path(f"{results.resolve()}/mlflow.db")
    if directory is None and Path.cwd() == repository.absolute() and sqlite_file(uri) == own:
        if (repository / "Makefile").is_file() and (repository / ".venv/bin/mlflow").exists():
            named = "" if results == Path("results") else f" RESULTS={shlex.quote(str(results))}"
            return f"`make ui{named}`, {address}"
    if sqlite_file(uri) == own:
        where = str(results if directory is None else results.resolve())
        named = [] if where == "results" else [where]
        return f"`{shell([_ratecore(), 'ui', *named])}`, {address}"
    shown = shlex.quote(uri)
    if without_secrets(uri, uri) != uri:
        shown = '"$MLFLOW_TRACKING_URI"' if os.environ.get("MLFLOW_TRACKING_URI") == uri else "<tracking.uri>"
    beside = Path(sys.executable).with_name("mlflow")
    mlflow = "mlflow" if shutil.which("mlflow") and "MAKELEVEL" not in os.environ else shlex.quote(str(beside))
    return f"`{mlflow} server --port 5000 --backend-store-uri {shown}`, {address}"
