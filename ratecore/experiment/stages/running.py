"""What all stages share: each run of a block succeeds or fails on its own, and the record has the outcome."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

from ratecore.experiment.progress import saved_at, say
from ratecore.experiment.runs import Run
from ratecore.experiment.stages import table
from ratecore.experiment.stages.table import STAGES, TRAIN, function_of, row_of
from ratecore.experiment.stages.taken import add_to_export, finished_elsewhere
from ratecore.settings.experiment import ExperimentSettings
from ratecore.settings.run import AFTER_TRAINING, NOT_OF_THE_NETWORK, TESTED
from ratecore.system.files import remove_leftovers, sha256_of, write_atomic
from ratecore.system.links import link_or_copy
from ratecore.system.processes import side_by_side
from ratecore.tracking.provenance import provenance

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Event = dict[str, Any]  # of a record
StrPath = str | os.PathLike[str]
Value = TypeVar("Value")


class StageError(RuntimeError):
    """Some runs of a block broke; the message names them."""


def do_stage(stage: str, runs: list[Run], settings: ExperimentSettings, threads: int = 1) -> list[Event]:
    """Do a stage for the runs of a block, as its row in the table says.

    Args:
        stage: its name.
        runs: of the block.
        settings: of the experiment.
        threads: that the job may use.

    Returns:
        the `end` event of each run, as of `run_block`.
    """
    row = STAGES[stage]
    if row.block:
        outcomes: list[Event] = function_of(row.block)(runs, settings, threads)
        return outcomes
    work, options = function_of(row.work), {"threads": threads} if row.threads else {}
    return run_block(stage, runs, lambda run: work(run, **options))


def run_block(
    stage: str, runs: list[Run], work: Callable[[Run], Event], log: TextIO | None = None, workers: int = 1
) -> list[Event]:
    """Do a stage for every run for which it is not complete.

    A run whose loss is not finite is recorded as failed and is not tried again: the same settings give the same
    failure. A run that breaks for another reason is recorded as broken, and the next call tries it again.

    Args:
        stage: its name.
        runs: of the block.
        work: does the stage for one run and returns the fields of its `end` event.
        log: file for messages; None for standard error.
        workers: processes that work on runs in parallel.

    Returns:
        the `end` event of each run; of an earlier stage for runs that failed there.

    Raises:
        StageError: some runs broke; all others are done.
    """
    file = log or sys.stderr

    def do(run: Run) -> tuple[Event | None, str]:
        return attempt_run(stage, run, lambda: _outcome(stage, run, work, file), file)

    if workers > 1 and len(runs) > 1:
        runs[0].code_hash(stage)  # otherwise every process computes it
        found = side_by_side(do, runs, workers)
    else:
        found = [do(run) for run in runs]
    return outcomes_or_error(stage, found)


def outcomes_or_error(stage: str, found: Sequence[tuple[Event | None, str]]) -> list[Event]:
    """The outcomes of a block.

    Args:
        stage: its name.
        found: (outcome, error) of each run, as of `attempt_run`.

    Returns:
        the outcomes.

    Raises:
        StageError: some runs broke; the message names them.
    """
    broken = [error for _, error in found if error]
    if broken:
        raise StageError(f"{len(broken)} of {len(found)} runs broke in {stage}:\n  " + "\n  ".join(broken))
    return [outcome for outcome, _ in found if outcome is not None]


def attempt_run(stage: str, run: Run, work: Callable[[], Value], log: TextIO) -> tuple[Value | None, str]:
    """Call a function for a run and catch its error, so that the rest of the block is still done.

    Args:
        stage: its name.
        run: for messages.
        work: the function.
        log: file for messages.

    Returns:
        (what it returns, ''), or (None, the error message).
    """
    name = run.name(stage)
    try:
        return work(), ""
    except Exception as error:
        say(f"{name}: {stage} broke\n{traceback.format_exc()}", log)
        return None, f"{name}: {type(error).__name__}: {error}"


def _outcome(stage: str, run: Run, work: Callable[[Run], Event], log: TextIO) -> Event:
    """The `end` event of a run's stage, which is done unless it is complete."""
    with locked_outcome(stage, run, log) as outcome:
        return _do(stage, run, work, log) if outcome is None else outcome


@contextlib.contextmanager
def locked_outcome(stage: str, run: Run, log: TextIO) -> Iterator[Event | None]:
    """Hold the lock of a run for which a stage is to be done, unless the stage is complete.

    Figures drawn by another version of the code are redrawn.

    Args:
        stage: its name.
        run: to work on.
        log: file for messages.

    Yields:
        the outcome if the stage is complete, otherwise None.
    """
    outcome = _outcome_so_far(stage, run)
    settled = outcome is not None and not _has_old_figures(stage, run, outcome)
    with contextlib.nullcontext() if settled else run.locked(log):
        if not settled:  # another process may have done it in the meantime
            outcome = _outcome_so_far(stage, run) or _taken(stage, run, log)
            if outcome and _has_old_figures(stage, run, outcome):
                outcome = _redraw(stage, run, outcome, log)
        if outcome:
            say(f"{run.name(stage)}: {stage} is already done", log)
            _forget_checkpoints(stage, run)
        yield outcome


def _taken(stage: str, run: Run, log: TextIO) -> Event | None:
    """The outcome of a stage that takes its results from another variant of the network, if it can."""
    found = finished_elsewhere(stage, run)
    if found is None:
        return None
    say(f"{run.name(stage)}: {stage} takes the results of '{found.step}', which has the same settings", log)
    with recording(stage, run, log) as end:
        files: dict[str, str] = {}
        for name, (source, sha256) in found.files.items():
            path = run.folder_of(stage) / name
            link_or_copy(source, path)
            files |= record_file(run, stage, path, sha256)
        if (added := add_to_export(stage, run)) is not None:
            files |= record_file(run, stage, added, sha256_of(added))
        end |= {**found.fields, "files": files, "taken_from": found.step}
    return end


def _outcome_so_far(stage: str, run: Run) -> Event | None:
    """The outcome of a stage that is complete, or of the training if that failed."""
    return run.outcome(stage) or _failed_before(stage, run)


def _has_old_figures(stage: str, run: Run, outcome: Event) -> bool:
    """Whether a completed stage lacks figures, or has those drawn by another version of the code."""
    drawn = run.draws and STAGES[stage].redraw and outcome["stage"] == run.step(stage) and "skipped" not in outcome
    return bool(drawn) and outcome["status"] == "done" and outcome.get("figures_hash") != table.figures_hash()


def _redraw(stage: str, run: Run, outcome: Event, log: TextIO) -> Event:
    """Redraw a run's figures from its files. Returns the stage's new `end`, with the same numbers."""
    say(f"{run.name(stage)}: drawing the figures of {stage}, which are missing or of another version of the code", log)
    redraw = STAGES[stage].redraw
    assert redraw is not None  # see `_has_old_figures`
    run.note_open()
    files = outcome.get("files", {}) | function_of(redraw)(run)
    end = {key: value for key, value in outcome.items() if key not in ("event", "stage", "time")}
    return _end(run, stage, end | {"files": files, "figures_hash": table.figures_hash()})


def _forget_checkpoints(stage: str, run: Run) -> None:
    """Remove the files from which a stage resumes, once the record says that it is done."""
    for pattern in STAGES[stage].resumes_from:
        for path in run.folder_of(stage).glob(pattern):  # those in the run's folder are for its other variants, too
            path.unlink(missing_ok=True)


def _failed_before(stage: str, run: Run) -> Event | None:
    if not STAGES[stage].needs:
        return None
    trained = run.outcome(TRAIN, code=False)  # by any version of the code
    if trained is None:
        raise FileNotFoundError(
            f"{run.network}: the network is not trained, or its file was changed; run '{TRAIN}' again"
        )
    return trained if trained["status"] == "failed" else None


def _do(stage: str, run: Run, work: Callable[[Run], Event], log: TextIO) -> Event:
    # A signal that arrives after the work is saved waits until the record says that it is done.
    with _signals(stage), recording(stage, run, log) as end:
        end |= work(run)
    return end


def _signals(stage: str) -> AbstractContextManager[Any]:
    if not STAGES[stage].polls_signals:
        return contextlib.nullcontext()
    from ratecore.experiment.checkpoints import deferred_signals

    return deferred_signals()


@contextlib.contextmanager
def recording(stage: str, run: Run, log: TextIO) -> Iterator[Event]:
    """Record the stage's `start` and `end` in the run's record.

    Args:
        stage: its name.
        run: to work on.
        log: file for messages.

    Yields:
        the fields of the `end`, to be extended.
    """
    start: Event = {
        "identity": run.identity(stage),
        "labels": run.labels,
        "grid_point": run.grid_point,
        "settings": _settings(run, stage),
    }
    if stage == TRAIN:
        start |= {"task_settings": run.settings.create_task().settings, "provenance": provenance()}
    remove_leftovers(run.folder, but="mirror.json")
    run.note_open()
    run.record.append("start", run.step(stage), **start)
    end: Event = {"identity": run.identity(stage), "code_hash": run.code_hash(stage)}
    if STAGES[stage].redraw and run.draws:
        end["figures_hash"] = table.figures_hash()
    try:
        end |= {"reads": run.reads(stage), "status": "done"}
        yield end
    except FloatingPointError as error:
        end |= {"status": "failed", "error": str(error)}
        say(f"{run.name(stage)}: {stage} failed: {error}", log)
    except BaseException as error:
        is_stopped = isinstance(error, SystemExit | KeyboardInterrupt)
        message = f"stopped{saved_at(error)}" if is_stopped else f"{type(error).__name__}: {error}"
        end |= {"status": "interrupted" if is_stopped else "broken", "error": message}
        if is_stopped and (trial := getattr(error, "trial", None)) is not None:
            end["n_trials"] = trial
        _end(run, stage, end)
        raise
    end |= _end(run, stage, end)
    _forget_checkpoints(stage, run)


def _end(run: Run, stage: str, end: Event) -> Event:
    event = run.record.append("end", run.step(stage), sync=True, **end)
    run.note_open()
    return event


def _settings(run: Run, stage: str) -> Event:
    """The settings of the stage: the network's and those of training, or those of the stage alone."""
    if stage == TRAIN:
        return run.settings.model_dump(mode="json", exclude=set(NOT_OF_THE_NETWORK))
    analyses = run.settings.analyses
    settings = run.settings.model_dump(mode="json", include=set(row_of(stage, analyses).settings) & set(AFTER_TRAINING))
    for name in settings.keys() & set(TESTED):  # without tests elsewhere that there are not
        settings[name] = getattr(run.settings, name).identity_values()
    if "analysis" in settings:
        settings["analysis"] = {name: settings["analysis"][name] for name in analyses}
    if sets := run.settings.sets_used_in(*settings):
        settings["unit_sets"] = {name: own.identity_values() for name, own in sets.items()}
    return settings


def record_file(run: Run, stage: str, path: StrPath, sha256: str) -> dict[str, str]:
    """Record a file of a run.

    Args:
        run: of the file.
        stage: that wrote it.
        path: of the file.
        sha256: of its contents.

    Returns:
        path: SHA-256, as the `files` of an `end`.
    """
    run.record.append("artifact", run.step(stage), path=run.relative(path, run.folder), sha256=sha256)
    return {run.relative(path): sha256}


def write_file(run: Run, stage: str, path: StrPath, data: bytes) -> dict[str, str]:
    """Write a file of a run atomically and record it.

    Args:
        run: of the file.
        stage: that writes it.
        path: of the file.
        data: its contents.

    Returns:
        path: SHA-256, as of `record_file`.
    """
    return record_file(run, stage, path, write_atomic(path, data))


def write_figures(run: Run, stage: str, drawn: Mapping[str, Figure]) -> dict[str, str]:
    """Write and record the figures of a stage.

    Args:
        run: of the figures.
        stage: that draws them.
        drawn: name: figure.

    Returns:
        path: SHA-256, as of `record_file`.
    """
    from ratecore import figures

    files: dict[str, str] = {}
    for name, figure in drawn.items():
        files |= write_file(run, stage, run.folder_of(stage) / "figures" / f"{name}.png", figures.png(figure))
    return files
