"""MLflow as a mirror of run records: one MLflow run for each network. Replaying a record again changes nothing.

`mlflow` is imported when it is first needed, since that takes seconds.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ratecore.system.files import AnyPath, inside, locked, open_to_lock, sha256_of
from ratecore.system.redaction import without_secrets
from ratecore.system.surroundings import ensure_home_and_name
from ratecore.tracking.mlflow.restoring import RUN_TAG, Restorer
from ratecore.tracking.mlflow.sqlite import (
    ARTIFACTS,
    artifact_location,
    create_tables,
    local_path,
    relocate_artifacts,
    same_folder,
    sqlite_file,
)
from ratecore.tracking.mlflow.state import Mirrored, read_state, write_state
from ratecore.tracking.mlflow.translation import Points, Translation, metric_name, status_of
from ratecore.tracking.mlflow.uri import is_database, is_default
from ratecore.tracking.record import LARGEST, Event, Record, RecordError

if TYPE_CHECKING:
    from mlflow.entities import Experiment, Run

# With the identity appended, the key of a tag that only one run has. Databases index the keys of tags and not their
# values, so this finds the MLflow run of a network at once among any number. The UI hides tags with this prefix.
RUN_KEY = "mlflow.ratecore.run."
KEYED = "ratecore.keyed"  # tag of an experiment in which every run has such a key
BATCH = 1000  # metrics that MLflow takes in one call
TAG_BATCH = 100  # params and tags that it takes in one call
# A tracking server must not hold up an exit for minutes; what it misses is replayed later.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "15")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # two lines per run
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")


def run_tags(identity: str) -> dict[str, str]:
    """The tags by which the MLflow run of a network is found.

    Args:
        identity: identity of the run.

    Returns:
        The tags' values by their keys.
    """
    return {RUN_TAG: identity, f"{RUN_KEY}{identity}": identity}


class DeletedRunError(RuntimeError):
    """A run was deleted in MLflow by hand."""


class RefusedError(RuntimeError):
    """MLflow refuses something of a run, however often it is sent."""


class Mirror:
    """Sends the records of runs to an MLflow experiment.

    Attributes:
        notes: sentences about the store for the user.
        store: hash of the store and experiment, which the state beside each record names.

    Args:
        uri: tracking URI.
        experiment: name of the MLflow experiment, which is created if it is missing.
        results: folder of all results. Artifacts go to `mlartifacts` in it if the store is a database; a server takes
            them itself.
        runs: names of the folders of the grid's runs, which are restored with an experiment that was deleted in
            MLflow; those of all records in the results when None.

    Raises:
        MlflowException: the store cannot be reached.
    """

    def __init__(self, uri: str, experiment: str, results: AnyPath, runs: Collection[str] | None = None) -> None:
        ensure_home_and_name()
        from mlflow.tracking import MlflowClient

        database, default = is_database(uri), is_default(uri, results)
        self.root = Path(results, experiment)
        self.notes: list[str] = []
        artifacts = Path(results).resolve() / ARTIFACTS / experiment
        # The first client of a database creates its tables, which fails when two processes do it at once.
        with locked(Path(results) / ".mlflow.lock") if database else contextlib.nullcontext():
            if file := sqlite_file(uri):
                create_tables(file)
                uri += f"{'&' if 'uri=true' in uri else '?'}timeout=60" * ("timeout=" not in uri)
            self.client = MlflowClient(uri)
            if file and default:
                relocate_artifacts(file, results)
            # The default store stays the same one when its folder is moved or copied.
            name = "mlflow.db in the results folder" if default else without_secrets(uri)
            found, created = self._get_experiment(experiment, artifact_location(artifacts) if database else None)
            self.experiment_id = found.experiment_id
            # Another store, or the same one created again, gets everything from the start.
            key = f"{name}|{self.experiment_id}|{found.creation_time}"
            self.store = hashlib.sha256(key.encode()).hexdigest()[:16]
            self.restorer = Restorer(self.client, self.experiment_id, self.root, self.store, runs)
            self._restore(found)
            self._keyed = created or self._is_keyed(found)
        if database:
            self._note_artifacts_elsewhere(found, artifacts, default)
        self.mirrored = Mirrored(self.root, self.store)
        self.mirrored.begin()

    def _note_artifacts_elsewhere(self, experiment: Experiment, expected: Path, default: bool) -> None:
        """Note if artifacts go to a folder outside of these results, unless the user chose it."""
        folder, results = local_path(experiment.artifact_location), expected.parents[1]
        if folder is None or folder.is_relative_to(results) or same_folder(folder, expected):
            return
        if default or folder.parts[-2:] == expected.parts[-2:]:
            where = f"go to {folder}, outside of {results}"
            self.notes.append(f"artifacts of the experiment '{experiment.name}' {where}")

    def _get_experiment(self, name: str, artifacts: str | None) -> tuple[Experiment, bool]:
        """The experiment, possibly deleted, and whether it has been created now."""
        from mlflow.exceptions import MlflowException

        found, created = self.client.get_experiment_by_name(name), False
        if found is None:
            try:
                self.client.create_experiment(name, artifacts, tags={KEYED: "yes"})
                created = True
            except MlflowException:  # another process has just created it
                pass
            found = self.client.get_experiment_by_name(name)
            if found is None:
                raise LookupError(f"MLflow has no experiment '{name}', although it was asked to create it")
        return found, created

    def _restore(self, experiment: Experiment) -> None:
        """Restore the experiment and the grid's runs if they were deleted together."""
        if experiment.lifecycle_stage == "deleted":
            self.notes.append(self.restorer.restore_experiment(experiment.name))
        else:
            self.restorer.finish()  # in case a process was killed while it restored the experiment
        if count := self.restorer.restore_runs():
            self.notes.append(f"runs of this grid ({count:,}), deleted in MLflow with the experiment, are restored")

    def _is_keyed(self, experiment: Experiment) -> bool:
        """Whether every run of an existing experiment has a key of its own."""
        if KEYED in experiment.tags:
            return True
        if self._search("", max_results=1):
            return False
        self.client.set_experiment_tag(self.experiment_id, KEYED, "yes")  # created by hand, and empty
        return True

    def _search(self, query: str, **limits: Any) -> list[Run]:
        """Runs of the experiment, including deleted ones."""
        from mlflow.entities import ViewType

        return list(self.client.search_runs([self.experiment_id], query, run_view_type=ViewType.ALL, **limits))

    def replay(self, folder: AnyPath) -> str | None:
        """Send MLflow what it does not have yet of a run's record.

        Args:
            folder: folder of the run.

        Returns:
            Id of the MLflow run; None when nothing is recorded yet.

        Raises:
            RecordError: the record is damaged.
            DeletedRunError: the MLflow run was deleted.
            RefusedError: MLflow refuses something in the record.
            Exception: whatever MLflow raises when a server does not answer.
        """
        folder = Path(folder)
        if state := self._complete_state(folder):
            return str(state["run_id"])
        with _record_locked(folder / "record.jsonl") as data:
            if not data:
                return None
            state = read_state(folder)
            if state.get("store") != self.store or state["bytes"] > len(data):
                state = {"store": self.store, "run_id": None, "bytes": 0}
            end = data.rfind(b"\n") + 1
            if end > state["bytes"]:
                events = Record(folder / "record.jsonl").parse(data[:end])
                run_id = self._find_or_create(folder, events[0], state["run_id"])
                if run_id != state["run_id"]:
                    state |= {"run_id": run_id, "bytes": 0}
                sent = data.count(b"\n", 0, state["bytes"])
                with _refusals():
                    self._send(run_id, folder, events[:sent], events[sent:])
                state["bytes"], state["open"] = end, events[-1]["event"] != "end"
                for part in folder.glob(".mirror.json.*.part"):  # of a killed mirror, since this one has the lock
                    part.unlink(missing_ok=True)
                write_state(folder, state)
            replayed: str | None = state["run_id"]
            return replayed

    def _complete_state(self, folder: Path) -> dict[str, Any] | None:
        """The state of a run whose record has not grown since its last replay."""
        state = read_state(folder)
        try:
            size = (folder / "record.jsonl").stat().st_size
        except FileNotFoundError:
            return None
        return state if state.get("store") == self.store and state["bytes"] == size else None

    def is_complete(self, folder: AnyPath) -> bool:
        """Whether MLflow has the complete record of a run, and no stage is under way.

        Args:
            folder: folder of the run.

        Returns:
            False also when nothing is recorded yet.
        """
        if self.mirrored.run_id(folder):
            return True
        state = self._complete_state(Path(folder))
        if state is None or state.get("open", True):
            return False
        self.mirrored.add(folder, state["run_id"], state["bytes"])
        return True

    def _find_or_create(self, folder: Path, first: Event, known: str | None) -> str:
        """The id of the network's MLflow run, which is created if there is none.

        There can be a second run if a server answered too late, or with an error although the request succeeded. The
        older one is kept, since somebody may be looking at it.

        Args:
            folder: folder of the run.
            first: first event of its record.
            known: id of the MLflow run, as of the last replay.
        """
        key = f"{RUN_KEY}{folder.name}" if self._keyed else RUN_TAG  # without keys, MLflow searches all runs
        found = self._search(f"tags.`{key}` = '{folder.name}'")
        active = [run.info for run in found if run.info.lifecycle_stage != "deleted"]
        run_ids: list[str] = [info.run_id for info in sorted(active, key=lambda info: (info.start_time, info.run_id))]
        for second in run_ids[1:]:
            self.client.delete_run(second)
        if run_ids:
            return run_ids[0]
        if found or known:
            run_id: str = known or found[0].info.run_id
            waits = " with the experiment; a launch of its own grid restores it" * self.restorer.is_waiting(run_id)
            raise DeletedRunError(f"its MLflow run {run_id} was deleted{waits}")
        tags = {**run_tags(folder.name), "mlflow.source.type": "JOB", "mlflow.source.name": "ratecore"}
        name = first.get("labels", {}).get("name", folder.name)
        with _without_retries():
            run = self.client.create_run(self.experiment_id, start_time=_milliseconds(first), tags=tags, run_name=name)
        return str(run.info.run_id)

    def _send(self, run_id: str, folder: Path, before: list[Event], events: list[Event]) -> None:
        """Send events to MLflow. Those `before` them were sent earlier."""
        from mlflow.entities import Metric

        translate, has_error = Translation(), False
        known: Points = {}
        for event in before:
            shown = translate(event)
            _add_new_points(event, shown.points, known)
            has_error = has_error or "error" in shown.tags
        metrics: list[Metric] = []
        params: dict[str, Any] = {}
        tags: dict[str, Any] = {}
        artifacts: dict[str, Event] = {}
        for event in events:
            shown, when = translate(event), _milliseconds(event)
            params |= shown.params
            tags |= shown.tags
            has_error = has_error or "error" in shown.tags
            new = _add_new_points(event, shown.points, known)
            metrics += [Metric(metric_name(name), value, when, step) for (name, step), value in new.items()]
            if event["event"] == "artifact":
                artifacts[event["path"]] = event | {"folder": shown.folder}  # the newest of a rewritten file
        status, ended, error = status_of([*before, *events])
        if ended and has_error:
            tags["error"] = error
        for event in artifacts.values():
            # A stage under way may have changed a file, as the conversion does a .mat; it will record it again.
            self._send_artifact(run_id, folder, event, under_way=events[-1]["event"] != "end")
        self._log(run_id, metrics, params, tags)
        if ended:
            self.client.set_terminated(run_id, status=status, end_time=_milliseconds(ended))
        else:
            self.client.update_run(run_id, status=status)

    def _log(self, run_id: str, metrics: list[Any], params: dict[str, Any], tags: dict[str, Any]) -> None:
        """Log in as few calls as MLflow allows."""
        from mlflow.entities import Param, RunTag

        for k in range(0, len(metrics), BATCH):
            self.client.log_batch(run_id, metrics=metrics[k : k + BATCH])
        all_params = [Param(key, str(value)) for key, value in params.items()]
        all_tags = [RunTag(key, str(value)) for key, value in tags.items() if value is not None]
        for k in range(0, max(len(all_params), len(all_tags)), TAG_BATCH):
            self.client.log_batch(run_id, params=all_params[k : k + TAG_BATCH], tags=all_tags[k : k + TAG_BATCH])

    def _send_artifact(self, run_id: str, folder: Path, event: Event, under_way: bool = False) -> None:
        path = folder / event["path"]
        root = next((parent.parent for parent in folder.parents if parent.name == "runs"), folder)
        try:
            inside(root.absolute(), path.absolute())  # both may be relative to the working folder: `results: ../x`
        except ValueError as error:  # a crafted record could otherwise send any file of this machine
            raise RecordError(f"{folder / 'record.jsonl'}: {error}") from None
        if path.is_file() and sha256_of(path) == event["sha256"]:
            self.client.log_artifact(run_id, str(path), event["folder"] or None)
        elif not under_way:
            print(f"tracking: {path} is missing or changed since it was recorded; MLflow lacks it", file=sys.stderr)


def _add_new_points(event: Event, points: Points, known: Points) -> Points:
    """The points to send, which are added to `known`: each of a training curve once, others when their value changed.

    A stage that is repeated has the same points, and MLflow would show each twice.
    """
    is_curve = event["event"] == "metrics"
    new = {p: value for p, value in points.items() if p not in known or (not is_curve and known[p] != value)}
    known |= new
    return new


@contextlib.contextmanager
def _without_retries() -> Iterator[None]:
    """Keep MLflow from repeating a request: repeating the creation of a run makes a second run."""
    name = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
    before = os.environ[name]
    os.environ[name] = "0"
    try:
        yield
    finally:
        os.environ[name] = before


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    """Turn MLflow's errors about what was sent, unlike those about a server in trouble, into a RefusedError."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if error.error_code in ("INVALID_PARAMETER_VALUE", "BAD_REQUEST"):
            raise RefusedError(f"MLflow refuses it: {error}".splitlines()[0]) from error
        raise


def _milliseconds(event: Event) -> int:
    seconds: float = event["time"]
    return round(seconds * 1000)


@contextlib.contextmanager
def _record_locked(path: Path) -> Iterator[bytes]:
    """The contents of a record, while no other process mirrors it; b'' when there is none."""
    try:
        handle = open_to_lock(path, create=False)
    except FileNotFoundError:
        yield b""
        return
    with open(handle, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if (size := os.fstat(file.fileno()).st_size) > LARGEST:
            raise RecordError(f"{path}: it has {size:,} bytes; at most {LARGEST:,} are read")
        yield file.read()
