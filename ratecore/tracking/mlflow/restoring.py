"""Deleted experiments: a launch restores one with the runs of its own grid and leaves all other runs deleted.

MLflow restores an experiment with all of its runs, whenever and however they were deleted. `deleted.json` keeps what
MLflow forgets: which runs people have deleted one by one, and which were deleted with the experiment and wait until
their own grid is launched.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from ratecore.tracking.mlflow.state import Deleted

RUN_TAG = "ratecore.run"  # the run's identity, for people
PAGE = 1000  # runs that one search gives


class Restoring:
    """Restores the runs of a grid in an experiment that was deleted in MLflow, and notes which runs are deleted.

    Args:
        client: an MlflowClient.   experiment_id: of the MLflow experiment.   root: folder of the experiment's results.
        store: as `Mirror.store` names it.
        runs: names of the folders of the grid's runs; all that have a record in `root` when None.
    """

    def __init__(self, client, experiment_id: str, root, store: str, runs: Collection[str] | None = None):
        self.client, self.experiment_id, self.root = client, experiment_id, Path(root)
        self.deleted = Deleted(root, store)
        self._runs, self._of_grid = runs, None

    def restore_experiment(self, name: str) -> str:
        """Restores a deleted experiment. Returns one sentence that says with which runs.

        It can be interrupted at any point: `finish` does the rest.
        """
        found, alone = self._deleted_runs(), set(self.deleted.run_ids())
        alone &= set(found)
        back = {run_id for run_id, run in found.items() if run_id not in alone and self._is_of_grid(run)}
        waiting = {run_id: run for run_id, run in found.items() if run_id not in alone | back}
        self.deleted.write(alone, waiting, restoring=True)
        self.client.restore_experiment(self.experiment_id)
        self.finish()
        whose = "these results" if self._runs is None else "this grid"
        parts = [
            f"the experiment '{name}' was deleted in MLflow; it is restored with the runs of {whose} ({len(back):,})"
        ]
        if waiting:
            parts.append(f"other runs ({len(waiting):,}) stay deleted until their own grid is launched")
        if alone:
            parts.append(f"runs deleted one by one ({len(alone):,}) stay deleted")
        return "; ".join(parts)

    def finish(self) -> None:
        """Deletes the runs again that a restored experiment has brought back and that are to stay deleted."""
        if self.deleted.is_restoring():
            alone, waiting = self.deleted.run_ids(), self.deleted.waiting()
            for run_id in (*alone, *waiting):
                self._delete_again(run_id)
            self.deleted.write(alone, waiting)

    def restore_runs(self) -> int:
        """Restores the grid's runs that wait for its launch. Returns how many."""
        from mlflow.exceptions import MlflowException

        waiting = self.deleted.waiting()
        if not (back := [run_id for run_id, run in waiting.items() if self._is_of_grid(run)]):
            return 0
        for run_id in back:
            try:
                self.client.restore_run(run_id)
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":  # else it is deleted for good by now
                    raise
        self.deleted.write(self.deleted.run_ids(), {k: run for k, run in waiting.items() if k not in back})
        return len(back)

    def note_deleted(self) -> None:
        """Notes which runs are deleted now, for a later `restore_experiment`."""
        found, waiting = self._deleted_runs(), self.deleted.waiting()
        # A run that was restored by hand waits no longer: when it is deleted again, it stays so.
        still = {run_id: run for run_id, run in waiting.items() if run_id in found}
        self.deleted.write(set(found) - set(still), still)

    def is_waiting(self, run_id: str) -> bool:
        """Whether a run was deleted with its experiment and waits for the launch of its grid."""
        return run_id in self.deleted.waiting()

    def _is_of_grid(self, run: str) -> bool:
        if self._of_grid is None:
            records = self.root.glob("runs/**/record.jsonl") if self._runs is None else ()
            self._of_grid = {path.parent.name for path in records} | set(self._runs or ())
        return run in self._of_grid

    def _deleted_runs(self) -> dict[str, str]:
        """Id: name of the folder of every deleted run, '' for a run that is not ratecore's."""
        from mlflow.entities import ViewType

        found, token = {}, None
        while True:
            page = self.client.search_runs([self.experiment_id], "", ViewType.DELETED_ONLY, PAGE, page_token=token)
            found |= {run.info.run_id: run.data.tags.get(RUN_TAG, "") for run in page}
            if not (token := page.token):
                return found

    def _delete_again(self, run_id: str) -> None:
        """Deletes a run, unless there is none to delete."""
        from mlflow.exceptions import MlflowException

        try:
            if self.client.get_run(run_id).info.lifecycle_stage == "active":
                self.client.delete_run(run_id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":  # else it is deleted for good by now
                raise
