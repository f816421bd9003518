"""Stage 'analyse': the chosen analyses of a trained network (docs/analysis.md)."""

from __future__ import annotations

import math
import sys
import traceback
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from ratecore.experiment.analyses.kept import Done, done_before, identities, keep_part
from ratecore.experiment.analyses.results import AnalysisResult, Networks
from ratecore.experiment.analyses.row import Analysis
from ratecore.experiment.analyses.table import chosen
from ratecore.experiment.progress import say
from ratecore.experiment.runs import Run
from ratecore.experiment.stages.running import write_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ratecore.experiment.analyses.material import Material

STAGE = "analyse"
DIGITS = 6  # of a number in the record and in the table
# Errors of the machine, which the next call tries again. Others say that a network cannot be analysed in this way.
OF_THE_MACHINE = (OSError, MemoryError, ImportError)


def analyse_run(run: Run, log: TextIO | None = None) -> dict[str, Any]:
    """Do the chosen analyses of the run's network, and write their arrays. Their figures are those of grid points.

    An analysis that fails leaves the others alone: its reason is in `errors` of the stage's `end`, and it is done again
    when the code or its settings change. What has been done before is kept: each analysis has an identity of its own,
    so that another analysis beside it does not repeat it.

    Args:
        run: to analyse.
        log: file for messages; None for standard error.

    Returns:
        the fields of the stage's `end`.

    Raises:
        OSError, MemoryError, ImportError: the machine could not do it; the next call tries again.
    """
    from ratecore.formats.npz import analysis_bytes

    wanted = identities(run)
    done = _results(run, wanted, log)
    arrays = {name: one.arrays for name, one in done.items() if one.arrays}
    files = write_file(run, STAGE, run.file("analysis"), analysis_bytes(arrays))
    skipped = {name: one.skipped for name, one in done.items() if one.skipped}
    for name, reason in skipped.items():
        say(f"{run.name(STAGE)}: {name} was left out: {reason}", log)
    return {
        "numbers": {f"{name}/{number}": value for name, one in done.items() for number, value in one.numbers.items()},
        "left_out": skipped,
        "errors": {name: one.error for name, one in done.items() if one.error},
        "analyses": wanted,
        "files": files,
    }


def _results(run: Run, wanted: Mapping[str, str], log: TextIO | None) -> dict[str, Done]:
    """The results of all chosen analyses. Only those are done that no earlier call or other variant has done."""
    from ratecore.experiment.analyses.material import Material

    rows, done = chosen(run.settings.analyses), done_before(run, wanted)
    if done:
        names = ", ".join(row.name for row in rows if row.name in done)
        say(f"{run.name(STAGE)}: already done and kept: {names}", log)
    left = [row for row in rows if row.name not in done]
    material = Material(run, [row.name for row in left])
    for row in left:
        try:
            done[row.name] = _rounded(_analysed(row, material))
        except OF_THE_MACHINE:
            raise
        except Exception as error:
            done[row.name] = Done(error=f"{type(error).__name__}: {error}")
            say(f"{run.name(STAGE)}: analysis {row.name} failed\n{traceback.format_exc()}", log)
        keep_part(run, row.name, wanted[row.name], done[row.name])
    return {row.name: done[row.name] for row in rows}


def _rounded(result: AnalysisResult) -> Done:
    numbers = {
        name: int(value) if isinstance(value, int | np.integer) else float(f"{value:.{DIGITS}g}")
        for name, value in result.numbers.items()
        if math.isfinite(value)
    }
    return Done(numbers, result.arrays, result.skipped)


def _analysed(row: Analysis, material: Material) -> AnalysisResult:
    from ratecore.experiment.stages.table import function_of

    result: AnalysisResult = function_of(row.work)(material, getattr(material.settings.analysis, row.name))
    return result


def figures_of(networks: Mapping[str, Networks], log: TextIO | None = None) -> dict[str, Figure]:
    """Draw the figures of analyses. If those of one cannot be drawn, a page that says why takes their place.

    Args:
        networks: analysis: its arrays, by the label of the network.
        log: file for messages; None for standard error.

    Returns:
        name: figure.
    """
    from ratecore import figures
    from ratecore.experiment.stages.table import function_of

    made: dict[str, Figure] = {}
    for row in chosen(networks):
        try:
            made |= function_of(row.draw)(networks[row.name])
        except OF_THE_MACHINE:
            raise
        except Exception as error:
            say(f"the figures of analysis {row.name} failed\n{traceback.format_exc()}", log or sys.stderr)
            reason = f"{row.name}: its figures failed: {type(error).__name__}: {error}"
            made |= {name: figures.note(reason) for name in row.figures}
    return made
