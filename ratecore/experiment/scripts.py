"""What the workflow's scripts share: from Snakemake's job to ratecore's runs and back."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from contextlib import contextmanager, suppress
from pathlib import Path

from ratecore.experiment.grid import Experiment
from ratecore.experiment.jobs import write_job
from ratecore.experiment.progress import say, told
from ratecore.experiment.runs import Run
from ratecore.experiment.stages.running import StageError


def open_log(path):
    """A job's log, with what earlier attempts wrote in it above.

    Snakemake removes the log of a job before it runs the job again, also one that finds everything done. A second name,
    `.<name>`, keeps the file.
    """
    path = Path(path)
    kept = path.with_name(f".{path.name}")
    with suppress(OSError):  # none yet; or a file system without links, where there is one attempt in a log
        os.link(kept, path)
    log = open(path, "a", buffering=1)  # noqa: SIM115  # closed by who asks for it
    with suppress(OSError):
        os.link(path, kept)
    if log.tell():
        log.write(f"\n---- again on {time.strftime('%Y-%m-%d at %H:%M:%S')} ----\n")
    return log


@contextmanager
def logging_to(path):
    """Standard output and error in the job's log, those of processes that it starts too; an error in both places.

    A job that was told to end (Ctrl-C, a scheduler's SIGTERM) says so in one line, and one whose runs broke has said
    why for each of them: neither adds a traceback.
    """
    broke = None
    with open_log(path) as log:
        before = [(number, os.dup(number)) for number in (1, 2)]
        # A scheduler's SIGTERM ends the job as an error does, so that the run's record says so.
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
                say(f"told to end{told(error)}; the same command goes on", sys.stderr)
                raise SystemExit(code) from None
            with suppress(OSError):
                traceback.print_exc()
            raise
        finally:
            with suppress(OSError):  # of a log on a full disk: the error still goes to standard error
                sys.stdout.flush()
                sys.stderr.flush()
            for number, saved in before:
                os.dup2(saved, number)
                os.close(saved)
    if broke is not None:
        say(broke, sys.stderr)
        raise SystemExit(1)


def draw_cell(snakemake, draw):
    """Draws the figures of a job's grid point.

    Args:
        draw: gives them by name, of the experiment and the grid point.
    """
    from ratecore.experiment.summary import write_figures

    with logging_to(snakemake.log[0]):
        experiment = Experiment.from_config(snakemake.config)
        cell = experiment.cell_of(snakemake.wildcards)
        write_figures(draw(experiment, cell), dict(snakemake.output.items()))


def do_block(snakemake, stage):
    """Does a stage for the block of a job and writes what came out as its output.

    Args:
        stage: does it for a list of runs and returns the `end` event of each.
    """
    with logging_to(snakemake.log[0]):
        experiment = Experiment.from_config(snakemake.config)
        cell = experiment.cell_of(snakemake.wildcards)
        runs = [Run.of(experiment, cell, seed) for seed in experiment.blocks[snakemake.wildcards.seeds]]
        outcomes = stage(runs)
        rows = [{"seed": run.settings.seed, "folder": run.relative(run.folder), "identity": o["identity"],
                 "status": o["status"]} for run, o in zip(runs, outcomes, strict=True)]  # fmt: skip
        write_job(snakemake.output[0], rows)
