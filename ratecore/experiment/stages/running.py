"""What all stages share: each run of a block succeeds or fails alone, and the record says what became of it."""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections.abc import Callable

from ratecore.experiment.progress import say, told
from ratecore.experiment.runs import DEPENDS_ON, Run
from ratecore.settings.run import AFTER_TRAINING
from ratecore.system.files import remove_leftovers, write_atomic
from ratecore.system.processes import side_by_side
from ratecore.tracking.provenance import code_hash, provenance


class StageError(RuntimeError):
    """Some runs of a block broke; the message names them."""


def run_block(stage: str, runs: list[Run], work: Callable[[Run], dict], log=None, workers: int = 1) -> list[dict]:
    """Does one stage for every run that it is not done for.

    A run that fails for what it is (its loss is not finite) is recorded as failed and is not tried again: the same
    settings give the same failure. A run that breaks for another reason is recorded as broken, and is tried again by
    the next call.

    Args:
        stage: 'train', 'evaluate', 'export' or 'convert'.   runs: of the block.   work: does the stage for one run and
            returns the fields of its `end` event.   log: file for messages, standard error when None.
        workers: runs that are worked on at once, each in a process of its own.

    Returns:
        the `end` event of each run; of an earlier stage for runs that failed there.

    Raises:
        StageError: some runs broke; all others are done.
    """
    log = log or sys.stderr

    def do(run):
        return one(stage, run, lambda: _outcome(stage, run, work, log), log)

    found = side_by_side(do, runs, workers) if workers > 1 and len(runs) > 1 else [do(run) for run in runs]
    return all_or_error(stage, found)


def all_or_error(stage: str, found: list[tuple[dict | None, str]]) -> list[dict]:
    """The outcomes of a block. Raises StageError, which names what broke."""
    broken = [error for _, error in found if error]
    if broken:
        raise StageError(f"{len(broken)} of {len(found)} runs broke in {stage}:\n  " + "\n  ".join(broken))
    return [outcome for outcome, _ in found]


def one(stage: str, run: Run, work, log) -> tuple[dict | None, str]:
    """What `work()` gives for one run, or what broke; the other runs of the block still have their turn."""
    name = run.name(stage)
    try:
        return work(), ""
    except Exception as error:
        say(f"{name}: {stage} broke\n{traceback.format_exc()}", log)
        return None, f"{name}: {type(error).__name__}: {error}"


def _outcome(stage: str, run: Run, work, log) -> dict:
    """The `end` event of a run's stage, which is done if it is not whole."""
    with at_work(stage, run, log) as outcome:
        return _do(stage, run, work, log) if outcome is None else outcome


@contextlib.contextmanager
def at_work(stage: str, run: Run, log):
    """The lock of a run for which a stage is to be done; gives the outcome if it is whole."""
    outcome = run.outcome(stage) or _failed_before(stage, run)
    with contextlib.nullcontext() if outcome else run.locked(log):
        # Again, since another process may have done it until the lock was ours.
        outcome = outcome or run.outcome(stage) or _failed_before(stage, run)
        if outcome:
            say(f"{run.name(stage)}: {stage} is done already", log)
            _forget_checkpoints(stage, run)
        yield outcome


def _forget_checkpoints(stage: str, run: Run) -> None:
    """Removes what a stage that was interrupted would have gone on from, once the record says that it is done."""
    if stage == "convert" and stage not in run.variants:  # variants can use the trials of each other
        for path in run.folder.glob("search-*.json"):
            path.unlink(missing_ok=True)
    if stage == "train":
        from ratecore.experiment.checkpoints import remove_checkpoints

        remove_checkpoints(run.folder)


def _failed_before(stage: str, run: Run) -> dict | None:
    if stage == "train":
        return None
    trained = run.outcome("train", code=False)  # whatever code it was trained by, or failed with
    if trained is None:
        raise FileNotFoundError(
            f"{run.network}: the network is not trained, or its file was changed; run 'train' again"
        )
    return trained if trained["status"] == "failed" else None


def _do(stage: str, run: Run, work, log) -> dict:
    # Training asks for signals itself; one that comes after its end waits until the record says that it is done.
    with _signals(stage), recorded(stage, run, log) as end:
        end |= work(run)
    return end


def _signals(stage: str):
    if stage != "train":
        return contextlib.nullcontext()
    from ratecore.experiment.checkpoints import waiting_signals

    return waiting_signals()


@contextlib.contextmanager
def recorded(stage: str, run: Run, log):
    """The stage's `start` and `end` in the run's record; what is put into the dict given is part of the `end`."""
    start = {"identity": run.identity(stage), "labels": run.labels, "grid_point": run.grid_point,
             "settings": _settings(run, stage)}  # fmt: skip
    if stage == "train":
        start |= {"task_settings": run.settings.create_task().settings, "provenance": provenance()}
    remove_leftovers(run.folder, but="mirror.json")
    run.note_open()
    run.record.append("start", run.step(stage), **start)
    end = {"identity": run.identity(stage), "code_hash": code_hash()}
    try:
        end |= {"reads": run.reads(stage), "status": "done"}
        yield end
    except FloatingPointError as error:
        end |= {"status": "failed", "error": str(error)}
        say(f"{run.name(stage)}: {stage} failed: {error}", log)
    except BaseException as error:
        told_to_end = isinstance(error, SystemExit | KeyboardInterrupt)
        message = f"told to end{told(error)}" if told_to_end else f"{type(error).__name__}: {error}"
        end |= {"status": "interrupted" if told_to_end else "broken", "error": message}
        if told_to_end and getattr(error, "trial", None) is not None:
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
    if stage == "train":
        return run.settings.model_dump(mode="json", exclude=set(AFTER_TRAINING))
    return run.settings.model_dump(mode="json", include=set(DEPENDS_ON[stage]) & set(AFTER_TRAINING))


def record_file(run: Run, stage: str, path, sha256: str) -> dict[str, str]:
    """Records a file of a run. Returns it as the `files` of an `end` name it."""
    run.record.append("artifact", run.step(stage), path=run.relative(path, run.folder), sha256=sha256)
    return {run.relative(path): sha256}


def write_file(run: Run, stage: str, path, data: bytes) -> dict[str, str]:
    """Writes a file of a run whole and records it, as `record_file`."""
    return record_file(run, stage, path, write_atomic(path, data))


def write_figures(run: Run, stage: str, drawn: dict) -> dict[str, str]:
    """Writes and records the figures of a stage, by name, as `record_file`."""
    from ratecore import figures

    files = {}
    for name, figure in drawn.items():
        files |= write_file(run, stage, run.place(stage) / "figures" / f"{name}.png", figures.png(figure))
    return files
