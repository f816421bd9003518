"""How much of each record MLflow has: in a file beside the record, and in one file for all runs of an experiment."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path

from ratecore.system.files import locked, read_sealed_json, sealed_json, write_atomic

LARGEST = 2**28  # bytes of the file of all runs that are read; a run has 80


def read_state(folder) -> dict:
    """How much of a run's record MLflow has: `store`, `run_id`, `bytes`, `open`; empty before its first replay."""
    folder = Path(folder)
    try:
        state = read_sealed_json(folder / "mirror.json")
    except (OSError, ValueError):
        return {}  # the record is replayed from the start, which changes nothing that is there
    # An intact file of another run, misplaced by a disk or by hand, says nothing about this one.
    whole = {"store", "run_id", "bytes", "run"} <= set(state) and state["run"] == folder.name
    return {key: value for key, value in state.items() if key != "run"} if whole else {}


def write_state(folder, state: dict) -> None:
    """Writes what `read_state` reads."""
    folder = Path(folder)
    write_atomic(folder / "mirror.json", sealed_json({**state, "run": folder.name}))


class Mirrored:
    """The runs of an experiment whose complete record one store has, in `mirrored.json`: one file instead of one a run.

    For a run that is not in it, the file beside its record is read. Each entry has the length of the record, so that a
    run that has gone on since counts as missing.

    Args:
        root: folder of the experiment's results.   store: as `Mirror.store` names it; None for the last one.
    """

    def __init__(self, root, store: str | None = None):
        self.path, self.store = Path(root, "mirrored.json"), store
        self._news = {}

    @cached_property
    def _runs(self) -> dict[str, list]:
        """Name of a run's folder: id of its MLflow run, bytes of its record."""
        return self._stored()

    def _stored(self) -> dict[str, list]:
        found = self._read()
        runs = found.get("runs")
        return runs if isinstance(runs, dict) and self.store in (None, found.get("store")) else {}

    def _read(self) -> dict:
        try:
            return read_sealed_json(self.path, most=LARGEST)
        except (FileNotFoundError, ValueError):
            return {}

    def begin(self) -> None:
        """Removes the file of another store, before the first run is brought to this one."""
        if self._read().get("store") != self.store:
            self.path.unlink(missing_ok=True)

    def run_id(self, folder) -> str | None:
        """The id of the run's MLflow run, if it has the complete record."""
        match self._news.get(Path(folder).name) or self._runs.get(Path(folder).name):
            case [str(run_id), int(size)] if size == _size(Path(folder, "record.jsonl")):
                return run_id
        return None

    def add(self, folder, run_id: str, size: int) -> None:
        """Notes that the store has a complete record, of `size` bytes."""
        self._news[Path(folder).name] = [run_id, size]

    def write(self) -> None:
        """Adds what was noted to the file."""
        if not self._news:
            return
        with locked(self.path.with_name(".mirrored.lock")):  # another mirror may be adding its own
            stored = self._stored()
            self._runs = stored | self._news
            if self._runs != stored:
                write_atomic(self.path, sealed_json({"store": self.store, "runs": self._runs}))
        self._news = {}


class Deleted:
    """The deleted runs of an experiment, in `deleted.json`: those that people have deleted in MLflow one by one, and
    those that were deleted with the experiment and wait until their own grid is launched.

    MLflow does not tell the two apart: it notes one time of deletion for each run, and restores an experiment with all
    of its runs.

    Args:
        root: folder of the experiment's results.   store: as `Mirror.store` names it.
    """

    def __init__(self, root, store: str):
        self.path, self.store = Path(root, "deleted.json"), store

    def run_ids(self) -> list[str]:
        """Ids of the MLflow runs that were deleted one by one, as of the last look."""
        ids = self._read().get("run_ids")
        return [str(run_id) for run_id in ids] if isinstance(ids, list) else []

    def waiting(self) -> dict[str, str]:
        """Id: name of the folder of the runs that wait for the launch of their grid."""
        runs = self._read().get("waiting")
        return {run_id: str(run) for run_id, run in runs.items()} if isinstance(runs, dict) else {}

    def is_restoring(self) -> bool:
        """Whether the experiment is being restored, or was when a process was killed."""
        return self._read().get("restoring") is True

    def _read(self) -> dict:
        try:
            found = read_sealed_json(self.path, most=LARGEST)
        except (OSError, ValueError):
            return {}
        return found if found.get("store") == self.store else {}

    def write(self, run_ids, waiting: dict[str, str], restoring: bool = False) -> None:
        """Notes the runs that are deleted now, see `run_ids`, `waiting` and `is_restoring`. Raises OSError."""
        noted = {"store": self.store, "run_ids": sorted(run_ids)}
        noted |= {"waiting": waiting} if waiting else {}
        noted |= {"restoring": True} if restoring else {}
        if noted != (self._read() or {"store": self.store, "run_ids": []}):
            write_atomic(self.path, sealed_json(noted))


def is_place_of(path, uri: str | None, experiment: str) -> bool:
    """Whether `tracking.json` of an experiment's results names this store and experiment.

    Args:
        path: of the file.   uri: as `uri.stored_uri` gives it.   experiment: name of the MLflow experiment.
    """
    try:
        place = read_sealed_json(path)
    except (OSError, ValueError):
        return False
    return (place.get("uri"), place.get("experiment")) == (uri, experiment)


def _size(path: Path) -> int | None:
    try:
        return os.stat(path).st_size
    except OSError:
        return None
