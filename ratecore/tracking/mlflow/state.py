"""How much of each record MLflow has, stored in a file beside each record and in one file for an experiment."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from ratecore.system.files import AnyPath, locked, read_sealed_json, sealed_json, write_atomic

LARGEST = 2**28  # bytes that are read of the file for all runs; one run takes 80


def read_state(folder: AnyPath) -> dict[str, Any]:
    """How much of a run's record MLflow has.

    Args:
        folder: folder of the run.

    Returns:
        `store`, `run_id`, `bytes` and `open`; empty before the first replay.
    """
    folder = Path(folder)
    try:
        state = read_sealed_json(folder / "mirror.json")
    except (OSError, ValueError):
        return {}  # the record is replayed from the start, which changes nothing that MLflow already has
    # The file may be intact but belong to another run, misplaced by a disk or by hand.
    valid = {"store", "run_id", "bytes", "run"} <= set(state) and state["run"] == folder.name
    return {key: value for key, value in state.items() if key != "run"} if valid else {}


def write_state(folder: AnyPath, state: Mapping[str, Any]) -> None:
    """Write what `read_state` reads.

    Args:
        folder: folder of the run.
        state: as `read_state` returns it.
    """
    folder = Path(folder)
    write_atomic(folder / "mirror.json", sealed_json({**state, "run": folder.name}))


class Mirrored:
    """The runs of an experiment whose complete record one store has, in `mirrored.json`.

    Saves opening one file per run; for runs that are not listed, the file beside their record is read. Each entry has
    the length of the record, so that a run that has continued since counts as missing.

    Args:
        root: folder of the experiment's results.
        store: hash of the store, see `Mirror`; None for the last one.
    """

    def __init__(self, root: AnyPath, store: str | None = None) -> None:
        self.path, self.store = Path(root, "mirrored.json"), store
        self._added: dict[str, list[Any]] = {}

    @cached_property
    def _runs(self) -> dict[str, list[Any]]:
        """By the name of a run's folder: id of its MLflow run and bytes of its record."""
        return self._stored()

    def _stored(self) -> dict[str, list[Any]]:
        stored = self._read()
        runs = stored.get("runs")
        return runs if isinstance(runs, dict) and self.store in (None, stored.get("store")) else {}

    def _read(self) -> dict[str, Any]:
        try:
            return read_sealed_json(self.path, most=LARGEST)
        except (FileNotFoundError, ValueError):
            return {}

    def begin(self) -> None:
        """Remove the file if it is about another store, before the first run is sent to this one."""
        if self._read().get("store") != self.store:
            self.path.unlink(missing_ok=True)

    def run_id(self, folder: AnyPath) -> str | None:
        """The MLflow run of a run whose complete record is in the store.

        Args:
            folder: folder of the run.

        Returns:
            Id of the MLflow run; None if the record is incomplete there, or not listed.
        """
        match self._added.get(Path(folder).name) or self._runs.get(Path(folder).name):
            case [str(run_id), int(size)] if size == _size(Path(folder, "record.jsonl")):
                return run_id
        return None

    def add(self, folder: AnyPath, run_id: str, size: int) -> None:
        """Note that the store has the complete record of a run.

        Args:
            folder: folder of the run.
            run_id: id of the MLflow run.
            size: bytes of the record.
        """
        self._added[Path(folder).name] = [run_id, size]

    def write(self) -> None:
        """Write the added runs to the file."""
        if not self._added:
            return
        with locked(self.path.with_name(".mirrored.lock")):  # another mirror may be adding runs, too
            stored = self._stored()
            self._runs = stored | self._added
            if self._runs != stored:
                write_atomic(self.path, sealed_json({"store": self.store, "runs": self._runs}))
        self._added = {}


class Deleted:
    """The deleted runs of an experiment, in `deleted.json`.

    Some were deleted in MLflow one by one. Others were deleted with the experiment and wait until their own grid is
    launched. MLflow does not tell the two apart: it stores one time of deletion for each run, and restores an
    experiment with all of its runs.

    Args:
        root: folder of the experiment's results.
        store: hash of the store, see `Mirror`.
    """

    def __init__(self, root: AnyPath, store: str) -> None:
        self.path, self.store = Path(root, "deleted.json"), store

    def run_ids(self) -> list[str]:
        """The runs that were deleted one by one, as far as noted.

        Returns:
            Ids of MLflow runs.
        """
        ids = self._read().get("run_ids")
        return [str(run_id) for run_id in ids] if isinstance(ids, list) else []

    def waiting(self) -> dict[str, str]:
        """The runs that wait for the launch of their grid.

        Returns:
            Name of each run's folder, by the id of the MLflow run.
        """
        runs = self._read().get("waiting")
        return {run_id: str(run) for run_id, run in runs.items()} if isinstance(runs, dict) else {}

    def is_restoring(self) -> bool:
        """Whether the experiment is being restored, or was when a process was killed.

        Returns:
            True from the first to the last step of `Restorer.restore_experiment`.
        """
        return self._read().get("restoring") is True

    def _read(self) -> dict[str, Any]:
        try:
            noted = read_sealed_json(self.path, most=LARGEST)
        except (OSError, ValueError):
            return {}
        return noted if noted.get("store") == self.store else {}

    def write(self, run_ids: Iterable[str], waiting: Mapping[str, str], restoring: bool = False) -> None:
        """Note the runs that are deleted now.

        Args:
            run_ids: see `run_ids`.
            waiting: see `waiting`.
            restoring: see `is_restoring`.

        Raises:
            OSError: the file cannot be written.
        """
        noted: dict[str, Any] = {"store": self.store, "run_ids": sorted(run_ids)}
        noted |= {"waiting": dict(waiting)} if waiting else {}
        noted |= {"restoring": True} if restoring else {}
        if noted != (self._read() or {"store": self.store, "run_ids": []}):
            write_atomic(self.path, sealed_json(noted))


def is_tracked_in(path: AnyPath, uri: str | None, experiment: str) -> bool:
    """Whether the `tracking.json` of an experiment names a store and an MLflow experiment.

    Args:
        path: the file.
        uri: the store, as `uri.stored_uri` gives it.
        experiment: name of the MLflow experiment.

    Returns:
        False also when the file is missing or damaged.
    """
    try:
        tracked = read_sealed_json(path)
    except (OSError, ValueError):
        return False
    return (tracked.get("uri"), tracked.get("experiment")) == (uri, experiment)


def _size(path: Path) -> int | None:
    try:
        return os.stat(path).st_size
    except OSError:
        return None
