"""The files that a training leaves besides its network: a `.mat` for each stage, and the weights kept on the way.

All are written before the checkpoint of the same trial, so that a training which resumes finds what it had.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from ratecore.experiment.runs import Run
from ratecore.experiment.stages.running import record_file, write_file
from ratecore.system.files import write_atomic

if TYPE_CHECKING:
    from ratecore.rate.results import TrainingResult

STAGE = "train"
WEIGHTS = "weights.npz"  # in the folder of the run; during training weights.<trial>.npz for each copy


class TrainingFiles:
    """The files of one run.

    Args:
        run: that trains.
    """

    def __init__(self, run: Run) -> None:
        self._run, self._settings = run, run.settings.training

    def _of_stage(self, stage: int) -> Path:
        return self._run.folder / f"stage_{stage + 1}.mat"

    def _copy(self, trial: int) -> Path:
        return self._run.folder / f"weights.{trial:010d}.npz"

    def after_test(self, result: TrainingResult) -> None:
        """Write the network of a stage that has ended with the last test.

        Args:
            result: of the training so far.
        """
        from ratecore.experiment.exporting import mat_bytes

        stage = len(result.ended) - 1
        if stage < 0 or result.ended[-1] != result.n_trials:
            return
        assert result.last_test is not None  # the stage ended with it
        settings = self._run.settings.in_stage(stage)
        data = mat_bytes(settings, dataclasses.replace(result, trained=True), result.last_test)
        write_file(self._run, STAGE, self._of_stage(stage), data)

    def keep(self, result: TrainingResult) -> None:
        """Keep the weights as they are now.

        Args:
            result: of the training so far.
        """
        from ratecore.formats.weights import copy_bytes

        write_atomic(self._copy(result.n_trials), copy_bytes(result.net))

    def _kept_until(self, trial: int) -> list[int]:
        """Numbers of trials of the copies, in their order."""
        found = sorted(int(path.suffixes[0][1:]) for path in self._run.folder.glob("weights.[0-9]*.npz"))
        return [kept for kept in found if kept <= trial]

    def missing(self, result: TrainingResult) -> str:
        """The file that a training must have written before a checkpoint, and has not.

        Args:
            result: of the checkpoint.

        Returns:
            its path; '' if all are there.
        """
        files = [self._of_stage(stage) for stage in range(len(result.ended))]
        if every := self._settings.keep_weights:
            kept, longest = self._kept_until(result.n_trials), self._longest_batch
            expected = (k * every for k in range(result.n_trials // every + 1))
            # An update of several trials can pass the multiple of `keep_weights`.
            lost = [trial for trial in expected if not any(trial <= k < trial + longest for k in kept)]
            files += [self._copy(trial) for trial in lost]
        return next((str(path) for path in files if not path.is_file()), "")

    @property
    def _longest_batch(self) -> int:
        return max(self._settings.in_stage(k).batch_size for k in range(max(len(self._settings.stages), 1)))

    def finish(self, result: TrainingResult) -> dict[str, str]:
        """Write the file of all copies.

        Args:
            result: of the training.

        Returns:
            path: SHA-256 of every file besides the network, for the stage's `end`.
        """
        from ratecore.formats.weights import kept_weights_bytes
        from ratecore.system.files import sha256_of

        files: dict[str, str] = {}
        for path in map(self._of_stage, range(len(result.ended))):
            files |= record_file(self._run, STAGE, path, sha256_of(path))
        if self._settings.keep_weights is None:
            return files
        if result.n_trials not in self._kept_until(result.n_trials):
            self.keep(result)
        trials = self._kept_until(result.n_trials)
        copies = [self._copy(trial) for trial in trials]
        data = kept_weights_bytes(result.net, trials, copies, result.initial["w_in"])
        return files | write_file(self._run, STAGE, self._run.folder / WEIGHTS, data)
