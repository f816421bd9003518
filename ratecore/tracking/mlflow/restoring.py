"""Deleted experiments: a launch restores one with the runs of its own grid and leaves all other runs deleted.

MLflow restores an experiment with all of its runs, no matter when and how they were deleted. `deleted.json` keeps what
MLflow forgets: which runs were deleted one by one, and which were deleted with the experiment and wait until their own
grid is launched.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from ratecore.system.files import AnyPath
from ratecore.tracking.mlflow.state import Deleted

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

RUN_TAG = "ratecore.run"  # the run's identity, for people
PAGE = 1000  # runs that one search returns


class Restorer:
    """Restores the runs of a grid in an experiment that was deleted in MLflow, and notes which runs are deleted.

    Args:
        client: connected to the store.
        experiment_id: id of the MLflow experiment.
        root: folder of the experiment's results.
        store: hash of the store, see `Mirror`.
        runs: names of the folders of the grid's runs; all with a record in `root` when None.
    """

    def __init__(
        self, client: MlflowClient, experiment_id: str, root: AnyPath, store: str, runs: Collection[str] | None = None
    ) -> None:
        self.client, self.experiment_id, self.root = client, experiment_id, Path(root)
        self.deleted = Deleted(root, store)
        self._runs = runs
        self._grid: set[str] | None = None

    def restore_experiment(self, name: str) -> str:
        """Restore a deleted experiment. If this is interrupted, `finish` completes it.

        Args:
            name: name of the experiment.

        Returns:
            A sentence that says which runs are restored.
        """
        deleted, alone = self._deleted_runs(), set(self.deleted.run_ids())
        alone &= set(deleted)
        restored = {run_id for run_id, run in deleted.items() if run_id not in alone and self._is_in_grid(run)}
        waiting = {run_id: run for run_id, run in deleted.items() if run_id not in alone | restored}
        self.deleted.write(alone, waiting, restoring=True)
        self.client.restore_experiment(self.experiment_id)
        self.finish()
        whose = f"the runs of {'these results' if self._runs is None else 'this grid'} ({len(restored):,})"
        parts = [f"the experiment '{name}' was deleted in MLflow; it is restored with {whose}"]
        if waiting:
            parts.append(f"other runs ({len(waiting):,}) stay deleted until their own grid is launched")
        if alone:
            parts.append(f"runs deleted one by one ({len(alone):,}) stay deleted")
        return "; ".join(parts)

    def finish(self) -> None:
        """Delete those runs of a restored experiment again that are to stay deleted."""
        if self.deleted.is_restoring():
            alone, waiting = self.deleted.run_ids(), self.deleted.waiting()
            for run_id in (*alone, *waiting):
                self._delete_again(run_id)
            self.deleted.write(alone, waiting)

    def restore_runs(self) -> int:
        """Restore the runs that wait for the launch of this grid.

        Returns:
            Number of runs.

        Raises:
            MlflowException: the store does not answer.
        """
        from mlflow.exceptions import MlflowException

        waiting = self.deleted.waiting()
        if not (restored := [run_id for run_id, run in waiting.items() if self._is_in_grid(run)]):
            return 0
        for run_id in restored:
            try:
                self.client.restore_run(run_id)
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":  # permanently deleted by now
                    raise
        self.deleted.write(self.deleted.run_ids(), {k: run for k, run in waiting.items() if k not in restored})
        return len(restored)

    def note_deleted(self) -> None:
        """Note which runs are deleted now, for a later `restore_experiment`."""
        deleted, waiting = self._deleted_runs(), self.deleted.waiting()
        # A run that was restored by hand no longer waits: if it is deleted again, it stays deleted.
        still_waiting = {run_id: run for run_id, run in waiting.items() if run_id in deleted}
        self.deleted.write(set(deleted) - set(still_waiting), still_waiting)

    def is_waiting(self, run_id: str) -> bool:
        """Whether a run was deleted with its experiment and waits for the launch of its grid.

        Args:
            run_id: id of the MLflow run.

        Returns:
            False also for runs that are not deleted.
        """
        return run_id in self.deleted.waiting()

    def _is_in_grid(self, run: str) -> bool:
        if self._grid is None:
            records = self.root.glob("runs/**/record.jsonl") if self._runs is None else ()
            self._grid = {path.parent.name for path in records} | set(self._runs or ())
        return run in self._grid

    def _deleted_runs(self) -> dict[str, str]:
        """By the id of each deleted run: the name of its folder, '' for a run that is not ratecore's."""
        from mlflow.entities import ViewType

        deleted: dict[str, str] = {}
        token = None
        while True:
            page = self.client.search_runs([self.experiment_id], "", ViewType.DELETED_ONLY, PAGE, page_token=token)
            deleted |= {run.info.run_id: run.data.tags.get(RUN_TAG, "") for run in page}
            if not (token := page.token):
                return deleted

    def _delete_again(self, run_id: str) -> None:
        """Delete a run if it is there and not deleted."""
        from mlflow.exceptions import MlflowException

        try:
            if self.client.get_run(run_id).info.lifecycle_stage == "active":
                self.client.delete_run(run_id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":  # permanently deleted by now
                raise
