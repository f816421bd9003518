"""Stage 'train': the networks of a block, one by one or as one batched program."""

from __future__ import annotations

import contextlib
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from ratecore.experiment.adopting import adopt_run
from ratecore.experiment.grid import folder_of_network
from ratecore.experiment.progress import say
from ratecore.experiment.runs import Run
from ratecore.experiment.stages.running import (
    Event,
    attempt_run,
    locked_outcome,
    outcomes_or_error,
    record_file,
    recording,
    run_block,
)
from ratecore.experiment.training_files import TrainingFiles
from ratecore.settings.experiment import ExperimentSettings

if TYPE_CHECKING:
    from ratecore.experiment.checkpoints import Checkpoints, Signals
    from ratecore.formats.pth import Device
    from ratecore.rate.results import TrainingResult
    from ratecore.settings.run import RunSettings

STAGE = "train"


def _checkpoints(run: Run, signals: Signals, log: TextIO | None) -> Checkpoints:
    """The run's checkpoints; without one, training continues a run with another stopping rule."""
    from ratecore.experiment.checkpoints import Checkpoints
    from ratecore.experiment.continuation import earlier_training, note_rule
    from ratecore.formats.starting import start_of

    note_rule(run.root, run.settings)

    def fallback(device: Device) -> TrainingResult | None:
        earlier = earlier_training(run.root, run.folder, run.settings, device)
        if earlier is None:
            return start_of(run.settings, device, partial(_network_of_start, run))
        done = "is already trained" if earlier.result.trained else f"continues from trial {earlier.result.n_trials:,}"
        differs = earlier.differences(run.settings)
        say(f"{run.name(STAGE)}: {done} with {differs} ({earlier.folder})", log or sys.stderr)
        return earlier.result

    missing = TrainingFiles(run).missing
    return Checkpoints(run.folder, run.settings, signals, log=log, fallback=fallback, missing=missing)


def _network_of_start(run: Run, start: RunSettings) -> Path:
    """The file of the network that a run's training starts from, of another run of the experiment.

    Raises:
        FloatingPointError: it has none, since its loss was not finite.
        FileNotFoundError: it is not trained, or its file was changed.
    """
    other = Run(folder_of_network(run.root, start), run.root, start)
    end = other.outcome(STAGE, code=False)
    if end is None:
        raise FileNotFoundError(
            f"{other.folder}: the network that training starts from is missing; run '{STAGE}' again"
        )
    if end["status"] == "failed":
        raise FloatingPointError(f"the network that training starts from failed: {end.get('error')} ({other.folder})")
    return other.network


class Tests:
    """Brings the tests of a training to the run's record and to the log; called after each test.

    Args:
        run: that trains.
        log: file for messages; None for standard error.
    """

    def __init__(self, run: Run, log: TextIO | None) -> None:
        from ratecore.experiment.progress import ProgressLog

        self._run, self._known = run, run.record.tests()
        self._files = TrainingFiles(run)
        self._progress = ProgressLog(run.name(STAGE), run.settings, file=log)

    def __call__(self, result: TrainingResult) -> None:
        self.record(result)
        self._files.after_test(result)
        self._progress.update(result)

    def keep(self, result: TrainingResult) -> None:
        """Keep the weights as they are now.

        Args:
            result: of the training so far.
        """
        self._files.keep(result)

    def record(self, result: TrainingResult) -> None:
        """Record the tests that are not in the record.

        Args:
            result: of the training so far.
        """
        # All of them: a power cut can lose lines of the record that a checkpoint includes.
        for test in result.tests:
            values = {"loss": test["train_loss"], "test_loss": test["loss"], "test_accuracy": test["accuracy"]}
            if "stage" in test:
                values["stage"] = test["stage"]
            if self._known.get(test["trial"]) != values:
                self._known[test["trial"]] = values
                self._run.record.append("metrics", STAGE, step=test["trial"], values=values)


def _save(run: Run, result: TrainingResult, device: str) -> Event:
    """Save a network. Returns the fields of its `end`."""
    from ratecore.formats.pth import save_pth
    from ratecore.tracking.environment import write_environment

    record_file(run, STAGE, *write_environment(run.root))
    files = TrainingFiles(run).finish(result)
    sha256 = save_pth(run.network, run.settings, result)
    return {
        "trained": result.trained,
        "n_trials": result.n_trials,
        "seconds": round(result.seconds, 3),
        "device": device,
        "files": {run.relative(run.network): sha256, **files},
    }


def train_run(run: Run, device: str = "cpu", log: TextIO | None = None, no_gpu: str | None = None) -> Event:
    """Train the run's network and save it; loss and accuracy go to the record during training.

    Args:
        run: to train.
        device: torch device.
        log: file for messages; None for standard error.
        no_gpu: for the record, why it trains on the CPU although a GPU was requested.

    Returns:
        the fields of the stage's `end`.
    """
    if run.settings.training.network_from is not None:
        return adopt_run(run, log)
    from ratecore.experiment.checkpoints import deferred_signals
    from ratecore.rate.training import train

    tests = Tests(run, log)
    with deferred_signals() as signals:
        result = train(run.settings, device, tests, _checkpoints(run, signals, log), tests.keep)
        tests.record(result)  # an earlier training may have left nothing to do
        end = _save(run, result, device)
    if no_gpu:
        end["no_gpu"] = no_gpu
    return end


def train_job(runs: list[Run], settings: ExperimentSettings, threads: int = 1) -> list[Event]:
    """Train a block of runs: on the CPU in parallel processes, on a GPU as one batched program.

    Args:
        runs: of the block.
        settings: of the experiment.
        threads: processes on the CPU.

    Returns:
        the `end` event of each run, as of `run_block`.
    """
    from ratecore.rate.training import warm_up
    from ratecore.system.devices import job_device

    if all(run.settings.training.network_from is not None for run in runs):
        return run_block(STAGE, runs, train_run)
    with job_device(settings.device, settings.jobs_per_gpu, settings.gpu_frac) as (device, no_gpu):
        if device != "cpu":
            return train_batched(runs, device)
        if threads > 1 and len(runs) > 1:
            warm_up(runs[0].settings)  # what every process would fallback import and compile for itself
        return run_block(STAGE, runs, lambda run: train_run(run, no_gpu=no_gpu), workers=threads)


def train_batched(runs: list[Run], device: str, log: TextIO | None = None) -> list[Event]:
    """Train a block of runs as one batched program on a device, see `block.train_block`.

    Args:
        runs: of the block.
        device: torch device.
        log: file for messages; None for standard error.

    Returns:
        the `end` event of each run, as of `run_block`.
    """
    file = log or sys.stderr
    found: dict[Path, tuple[Event | None, str]] = {}
    with contextlib.ExitStack() as locks:
        # Every block takes its locks in the same order, so that no two wait for each other.
        for run in sorted(runs, key=lambda run: run.folder):

            def lock(run: Run = run) -> Event | None:
                return locks.enter_context(locked_outcome(STAGE, run, file))

            found[run.folder] = attempt_run(STAGE, run, lock, file)
        found |= _train_undone([run for run in runs if found[run.folder] == (None, "")], device, file)
    return outcomes_or_error(STAGE, [found[run.folder] for run in runs])


def _train_undone(runs: list[Run], device: str, log: TextIO) -> dict[Path, tuple[Event | None, str]]:
    """Folder: (outcome, error message) of runs that are locked and not complete."""
    from ratecore.experiment.checkpoints import deferred_signals
    from ratecore.rate.block import train_block

    found: dict[Path, tuple[Event | None, str]] = {}
    going: list[tuple[Run, contextlib.ExitStack, Event, Checkpoints, Tests, TrainingResult | None]] = []
    with deferred_signals() as signals, contextlib.ExitStack() as block:
        for run in runs:
            stack = block.enter_context(contextlib.ExitStack())

            def begin(run: Run = run, stack: contextlib.ExitStack = stack) -> Event | None:
                checkpoints = _checkpoints(run, signals, log)
                earlier = checkpoints.load()
                end = stack.enter_context(recording(STAGE, run, log))
                going.append((run, stack, end, checkpoints, Tests(run, log), earlier))
                return None

            found[run.folder] = attempt_run(STAGE, run, begin, log)
        if not going:
            return found
        started, _, _, checkpoints, tests_of, results = zip(*going, strict=True)
        settings = [run.settings for run in started]
        trained = train_block(
            settings,
            device,
            lambda k, r: tests_of[k](r),
            list(results),
            list(checkpoints),
            on_keep=lambda k, r: tests_of[k].keep(r),
        )
        for k, outcome in trained:
            run, stack, end, _, tests, _ = going[k]

            def finish(
                run: Run = run,
                stack: contextlib.ExitStack = stack,
                end: Event = end,
                tests: Tests = tests,
                outcome: TrainingResult | FloatingPointError = outcome,
            ) -> Event | None:
                with stack.pop_all():
                    if isinstance(outcome, FloatingPointError):
                        raise outcome
                    tests.record(outcome)
                    end.update(_save(run, outcome, device))
                return end

            found[run.folder] = attempt_run(STAGE, run, finish, log)
    return found
