"""What all stages share: each run of a block succeeds or fails alone, and the record says what became of it."""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections.abc import Callable

from ratecore.experiment.progress import saved_at, say
from ratecore.experiment.runs import Run
from ratecore.experiment.stages import table
from ratecore.experiment.stages.table import STAGES, TRAIN, function_of
from ratecore.settings.experiment import ExperimentSettings
from ratecore.settings.run import AFTER_TRAINING
from ratecore.system.files import remove_leftovers, write_atomic
from ratecore.system.processes import side_by_side
from ratecore.tracking.provenance import provenance


class StageError(RuntimeError):
    """Some runs of a block broke; the message names them."""


def do_stage(stage: str, runs: list[Run], settings: ExperimentSettings, threads: int = 1) -> list[dict]:
    """Does a stage for the runs of a block as its row in the table says.

    Args:
        stage: its name.   runs: of the block.   settings: of the experiment.   threads: that the job may use.

    Returns, Raises:
        as `run_block`.
    """
    row = STAGES[stage]
    if row.block:
        return function_of(row.block)(runs, settings, threads)
    work, options = function_of(row.work), {"threads": threads} if row.threads else {}
    return run_block(stage, runs, lambda run: work(run, **options))


def run_block(stage: str, runs: list[Run], work: Callable[[Run], dict], log=None, workers: int = 1) -> list[dict]:
    """Does a stage for every run for which it is not complete.

    A run whose loss is not finite is recorded as failed and is not tried again: the same settings give the same
    failure. A run that breaks for another reason is recorded as broken, and the next call tries it again.

    Args:
        stage: its name.   runs: of the block.   work: does the stage for one run and returns the fields of its `end`
            event.   log: file for messages, standard error when None.
        workers: processes in which runs are worked on in parallel.

    Returns:
        the `end` event of each run; of an earlier stage for runs that failed there.

    Raises:
        StageError: some runs broke; all others are done.
    """
    log = log or sys.stderr

    def do(run):
        return attempt_run(stage, run, lambda: _outcome(stage, run, work, log), log)

    if workers > 1 and len(runs) > 1:
        table.code_hash(stage)  # which every process would otherwise compute for itself
        found = side_by_side(do, runs, workers)
    else:
        found = [do(run) for run in runs]
    return outcomes_or_error(stage, found)


def outcomes_or_error(stage: str, found: list[tuple[dict | None, str]]) -> list[dict]:
    """The outcomes of a block. Raises StageError, which names what broke."""
    broken = [error for _, error in found if error]
    if broken:
        raise StageError(f"{len(broken)} of {len(found)} runs broke in {stage}:\n  " + "\n  ".join(broken))
    return [outcome for outcome, _ in found]


def attempt_run(stage: str, run: Run, work, log) -> tuple[dict | None, str]:
    """What `work()` returns for a run and '', or None and the error, so that the rest of the block is still done."""
    name = run.name(stage)
    try:
        return work(), ""
    except Exception as error:
        say(f"{name}: {stage} broke\n{traceback.format_exc()}", log)
        return None, f"{name}: {type(error).__name__}: {error}"


def _outcome(stage: str, run: Run, work, log) -> dict:
    """The `end` event of a run's stage, which is done if it is not complete."""
    with locked_outcome(stage, run, log) as outcome:
        return _do(stage, run, work, log) if outcome is None else outcome


@contextlib.contextmanager
def locked_outcome(stage: str, run: Run, log):
    """The lock of a run for which a stage is to be done; gives the outcome if it is complete.

    Figures that another version of the code has drawn are drawn again.
    """
    outcome = _outcome_so_far(stage, run)
    settled = outcome is not None and not _has_old_figures(stage, run, outcome)
    with contextlib.nullcontext() if settled else run.locked(log):
        if not settled:  # again, since another process may have done it before the lock was ours
            outcome = _outcome_so_far(stage, run)
            if outcome and _has_old_figures(stage, run, outcome):
                outcome = _redraw(stage, run, outcome, log)
        if outcome:
            say(f"{run.name(stage)}: {stage} is already done", log)
            _forget_checkpoints(stage, run)
        yield outcome


def _outcome_so_far(stage: str, run: Run) -> dict | None:
    """The outcome of a stage that is complete, or of the training if that failed."""
    return run.outcome(stage) or _failed_before(stage, run)


def _has_old_figures(stage: str, run: Run, outcome: dict) -> bool:
    """Whether a stage that is done has figures that another version of the code has drawn."""
    drawn = STAGES[stage].redraw and outcome["stage"] == run.step(stage) and "skipped" not in outcome
    return bool(drawn) and outcome["status"] == "done" and outcome.get("figures_hash") != table.figures_hash()


def _redraw(stage: str, run: Run, outcome: dict, log) -> dict:
    """Draws a run's figures from its files. Returns the stage's new `end`, with the numbers of the one before."""
    say(f"{run.name(stage)}: redrawing the figures of {stage}, because their code has changed", log)
    run.note_open()
    files = outcome.get("files", {}) | function_of(STAGES[stage].redraw)(run)
    end = {key: value for key, value in outcome.items() if key not in ("event", "stage", "time")}
    return _end(run, stage, end | {"files": files, "figures_hash": table.figures_hash()})


def _forget_checkpoints(stage: str, run: Run) -> None:
    """Removes the files from which a stage resumes, once the record says that it is done."""
    if stage in run.variants:  # which use the files of each other
        return
    for pattern in STAGES[stage].resumes_from:
        for path in run.folder.glob(pattern):
            path.unlink(missing_ok=True)


def _failed_before(stage: str, run: Run) -> dict | None:
    if not STAGES[stage].needs:
        return None
    trained = run.outcome(TRAIN, code=False)  # by any version of the code
    if trained is None:
        raise FileNotFoundError(
            f"{run.network}: the network is not trained, or its file was changed; run '{TRAIN}' again"
        )
    return trained if trained["status"] == "failed" else None


def _do(stage: str, run: Run, work, log) -> dict:
    # A signal that comes when the work has saved everything waits until the record says that it is done.
    with _signals(stage), recording(stage, run, log) as end:
        end |= work(run)
    return end


def _signals(stage: str):
    if not STAGES[stage].polls_signals:
        return contextlib.nullcontext()
    from ratecore.experiment.checkpoints import deferred_signals

    return deferred_signals()


@contextlib.contextmanager
def recording(stage: str, run: Run, log):
    """The stage's `start` and `end` in the run's record; what is put into the dict given is part of the `end`."""
    start = {"identity": run.identity(stage), "labels": run.labels, "grid_point": run.grid_point,
             "settings": _settings(run, stage)}  # fmt: skip
    if stage == TRAIN:
        start |= {"task_settings": run.settings.create_task().settings, "provenance": provenance()}
    remove_leftovers(run.folder, but="mirror.json")
    run.note_open()
    run.record.append("start", run.step(stage), **start)
    end = {"identity": run.identity(stage), "code_hash": table.code_hash(stage)}
    if STAGES[stage].redraw:
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
        if is_stopped and getattr(error, "trial", None) is not None:
            end["n_trials"] = error.trial
        _end(run, stage, end)
        raise
    end |= _end(run, stage, end)
    _forget_checkpoints(stage, run)


def _end(run: Run, stage: str, end: dict) -> dict:
    event = run.record.append("end", run.step(stage), sync=True, **end)
    run.note_open()
    return event


def _settings(run: Run, stage: str) -> dict:
    """What the stage is done with: the network's settings and how it is trained, or what is set for the stage alone."""
    if stage == TRAIN:
        return run.settings.model_dump(mode="json", exclude=set(AFTER_TRAINING))
    return run.settings.model_dump(mode="json", include=set(STAGES[stage].settings) & set(AFTER_TRAINING))


def record_file(run: Run, stage: str, path, sha256: str) -> dict[str, str]:
    """Records a file of a run. Returns it as the `files` of an `end` name it."""
    run.record.append("artifact", run.step(stage), path=run.relative(path, run.folder), sha256=sha256)
    return {run.relative(path): sha256}


def write_file(run: Run, stage: str, path, data: bytes) -> dict[str, str]:
    """Writes a file of a run atomically and records it, as `record_file`."""
    return record_file(run, stage, path, write_atomic(path, data))


def write_figures(run: Run, stage: str, drawn: dict) -> dict[str, str]:
    """Writes and records the figures of a stage, by name, as `record_file`."""
    from ratecore import figures

    files = {}
    for name, figure in drawn.items():
        files |= write_file(run, stage, run.folder_of(stage) / "figures" / f"{name}.png", figures.png(figure))
    return files
