"""Functions of the workflow's scripts, which connect jobs of Snakemake with runs."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from ratecore.experiment.grid import Experiment
from ratecore.experiment.jobs import write_job
from ratecore.experiment.progress import saved_at, say
from ratecore.experiment.runs import Run
from ratecore.experiment.stages.running import StageError, do_stage
from ratecore.experiment.stages.table import STAGES, function_of
from ratecore.experiment.terminal.shown import failures_are_shown


def open_log(path: str | os.PathLike[str]) -> TextIO:
    """Open a job's log, which keeps the output of earlier attempts.

    Snakemake removes the log of a job before it runs the job again, even if everything is done. A second link to the
    file, `.<name>`, keeps it.

    Args:
        path: of the log.

    Returns:
        the open file.
    """
    path = Path(path)
    kept = path.with_name(f".{path.name}")
    with suppress(OSError):  # no log yet, or a file system without links, where a log has only one attempt
        os.link(kept, path)
    log = open(path, "a", buffering=1)  # noqa: SIM115  # closed by the caller
    with suppress(OSError):
        os.link(path, kept)
    if log.tell():
        log.write(f"\n---- again on {time.strftime('%Y-%m-%d at %H:%M:%S')} ----\n")
    return log


@contextmanager
def logging_to(path: str | os.PathLike[str]) -> Iterator[None]:
    """Redirect standard output and error to the job's log, also for child processes.

    Errors go to both, unless the display of the grid shows them.

    A job that was stopped (Ctrl-C, a scheduler's SIGTERM) reports this in one line, and a job whose runs broke has
    already reported why. Neither adds a traceback.

    Args:
        path: of the log.

    Yields:
        None.

    Raises:
        SystemExit: the job was stopped, or runs broke.
    """
    broke = None
    with open_log(path) as log:
        before = [(number, os.dup(number)) for number in (1, 2)]
        # Turn a scheduler's SIGTERM into an exception, so that it is written to the run's record.
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
        try:
            sys.stdout.flush()
            sys.stderr.flush()
            for number in (1, 2):
                os.dup2(log.fileno(), number)
            yield
        except StageError as error:
            broke = str(error)
            say(broke, sys.stderr)
        except BaseException as error:
            code = 128 + signal.SIGINT if isinstance(error, KeyboardInterrupt) else getattr(error, "code", None)
            if isinstance(code, int) and code > 128:
                say(f"stopped{saved_at(error)}; run the same command to continue", sys.stderr)
                raise SystemExit(code) from None
            with suppress(OSError):
                traceback.print_exc()
            if failures_are_shown():
                raise SystemExit(1) from None
            raise
        finally:
            with suppress(OSError):  # the log may be on a full disk; the error still goes to standard error
                sys.stdout.flush()
                sys.stderr.flush()
            for number, saved in before:
                os.dup2(saved, number)
                os.close(saved)
    if broke is not None:
        if not failures_are_shown():
            say(broke, sys.stderr)
        raise SystemExit(1)


def draw_point(snakemake: Any) -> None:
    """Draw the figures of a job's grid point for the stage in the job's `params`.

    Args:
        snakemake: the job, as Snakemake gives it to scripts.

    Raises:
        ValueError: the stage has no such figures.
    """
    with logging_to(snakemake.log[0]):
        from ratecore.experiment.point_figures import write_figures

        experiment = Experiment.from_config(snakemake.config, checked=True)
        figures = STAGES[snakemake.params.stage].point_figures
        if figures is None:
            raise ValueError(f"{snakemake.params.stage} has no figures of grid points")
        draw = function_of(figures.draw)
        write_figures(draw(experiment, experiment.grid_point_of(snakemake.wildcards)), dict(snakemake.output.items()))


def do_block(snakemake: Any) -> None:
    """Do the stage in a job's `params` for the block of the job, and write the outcomes to the job's output.

    Args:
        snakemake: the job, as Snakemake gives it to scripts.
    """
    with logging_to(snakemake.log[0]):
        experiment = Experiment.from_config(snakemake.config, checked=True)
        grid_point = experiment.grid_point_of(snakemake.wildcards)
        runs = [Run.at(experiment, grid_point, seed) for seed in experiment.blocks[snakemake.wildcards.seeds]]
        outcomes = do_stage(snakemake.params.stage, runs, experiment.settings, snakemake.threads)
        rows = [
            {"seed": run.settings.seed, "folder": run.relative(run.folder)}
            | {key: outcome[key] for key in ("identity", "status")}
            for run, outcome in zip(runs, outcomes, strict=True)
        ]
        write_job(snakemake.output[0], rows)
