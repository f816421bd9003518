"""Where the workflow finds the display of its Snakemake, if that has one."""

from __future__ import annotations

import os
import socket
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ratecore.experiment.grid import Experiment
    from ratecore.experiment.terminal.display import Display

SETTLED = "ratecore_settled"  # attribute of the record of a message that only asks whether all before it are shown
REPORTED = "RATECORE_FAILURES_SHOWN"  # environment: where failures of jobs are shown, so that jobs need not print them
_display: Display | None = None


def show_on(display: Display | None) -> None:
    """Set the display of this process.

    Args:
        display: of the logger plugin; None when it has ended.
    """
    global _display
    _display = display
    if display is None:
        os.environ.pop(REPORTED, None)
    else:
        os.environ[REPORTED] = _place()


def current() -> Display | None:
    """The display of this process.

    Returns:
        the display; None if Snakemake shows its own messages.
    """
    return _display


def watch(experiment: Experiment, announcement: str) -> None:
    """Show the networks of a grid.

    Args:
        experiment: of the grid.
        announcement: its plan and cautions, which are printed.
    """
    if _display is not None:
        _display.watch(experiment)
        for line in filter(None, announcement.split("\n")):
            _display.front.say(line, "yellow" if line.startswith("WARNING") else "", wrap=True)
    elif announcement:
        print(announcement, file=sys.stderr)


def begin(workflow: Any) -> None:
    """Show what is to be done.

    Args:
        workflow: Snakemake's, which is about to start its first job.
    """
    if _display is not None:
        _display.begin([(job.rule.name, str(next(iter(job.output), ""))) for job in workflow.dag.needrun_jobs()])


def settle() -> None:
    """Wait until all messages so far are shown, and remove the display, so that the closing words can be printed."""
    if _display is None:
        return
    from snakemake.logging import logger

    seen = threading.Event()
    logger.info("All jobs have ended.", extra={SETTLED: seen})
    seen.wait(5.0)  # the thread that shows messages may have broken
    _display.stop()


def failures_are_shown() -> bool:
    """Whether the Snakemake that runs this job shows why it fails.

    Returns:
        False without a display, and on another machine, in whose output people look for it.
    """
    return os.environ.get(REPORTED) == _place()


def _place() -> str:
    return f"{socket.gethostname()} {os.environ.get('SLURM_JOB_ID', '')}"
