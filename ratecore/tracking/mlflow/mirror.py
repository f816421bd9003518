"""MLflow as a mirror of run records: one MLflow run for each network; replaying a record again changes nothing.

`mlflow` is imported when it is first needed, since that takes seconds.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import sys
from collections.abc import Collection
from pathlib import Path

from ratecore.system.files import inside, locked, open_to_lock, sha256_of
from ratecore.system.redaction import without_secrets
from ratecore.system.surroundings import ensure_home_and_name
from ratecore.tracking.mlflow.restoring import RUN_TAG, Restoring
from ratecore.tracking.mlflow.sqlite import (
    ARTIFACTS,
    artifact_location,
    local_path,
    make_tables,
    same_folder,
    sqlite_file,
    take_artifacts_along,
)
from ratecore.tracking.mlflow.state import Mirrored, read_state, write_state
from ratecore.tracking.mlflow.translation import Translation, metric_name, status_of
from ratecore.tracking.mlflow.uri import is_database, is_default
from ratecore.tracking.mlflow.uri import tracking_uri as tracking_uri
from ratecore.tracking.record import LARGEST, Record, RecordError

# With the identity behind it, the key of a tag that one run alone has. Databases keep an index of keys and none of
# values: so the MLflow run of a network is found at once, however many there are. The UI hides what begins so.
RUN_KEY = "mlflow.ratecore.run."
KEYED = "ratecore.keyed"  # tag of an experiment all of whose runs have such a key
BATCH = 1000  # entries that MLflow takes in one call
# A tracking server must never hold up an exit for minutes; what it misses is replayed later.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "15")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # two lines a run
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")


def tags_of(identity: str) -> dict[str, str]:
    """The tags by which the MLflow run of a network is found."""
    return {RUN_TAG: identity, f"{RUN_KEY}{identity}": identity}


class GoneError(RuntimeError):
    """A run that was deleted in MLflow by hand."""


class RefusedError(RuntimeError):
    """Something of a run that MLflow does not take, however often it is sent."""


class Mirror:
    """Brings runs into an MLflow experiment.

    Args:
        uri: tracking URI.   experiment: name of the MLflow experiment; made when it is not there.
        results: folder of all results; artifacts go to `mlartifacts` in it when the store is a database without a
            server, which would take them.
        runs: names of the folders of the grid's runs, which are the ones restored with an experiment that was deleted
            in MLflow; those of all records in the results when None.

    Attributes:
        notes: sentences about the store for the user.

    Raises:
        MlflowException: the store cannot be reached.
    """

    def __init__(self, uri: str, experiment: str, results, runs: Collection[str] | None = None):
        ensure_home_and_name()
        from mlflow.tracking import MlflowClient

        database, default = is_database(uri), is_default(uri, results)
        self.root, self.notes = Path(results, experiment), []
        place = Path(results).resolve() / ARTIFACTS / experiment
        # The first client of a database makes its tables, which two processes at once would break.
        with locked(Path(results) / ".mlflow.lock") if database else contextlib.nullcontext():
            if file := sqlite_file(uri):
                make_tables(file)
                uri += f"{'&' if 'uri=true' in uri else '?'}timeout=60" * ("timeout=" not in uri)
            self.client = MlflowClient(uri)
            if default:
                take_artifacts_along(file, results)
            # The default store is the same one after its folder was moved or copied.
            name = "mlflow.db in the results folder" if default else without_secrets(uri)
            found = self._take_experiment(experiment, artifact_location(place) if database else None, name, runs)
        if database:
            self._note_artifacts_elsewhere(found, place, default)
        self.mirrored = Mirrored(self.root, self.store)
        self.mirrored.begin()

    def _note_artifacts_elsewhere(self, experiment, place: Path, default: bool) -> None:
        """Notes that artifacts go to a folder outside of these results, unless the user chose it."""
        folder = local_path(experiment.artifact_location)
        if folder is None or folder.is_relative_to(place.parents[1]) or same_folder(folder, place):
            return
        if default or folder.parts[-2:] == place.parts[-2:]:
            where = f"go to {folder}, outside of {place.parents[1]}"
            self.notes.append(f"artifacts of the experiment '{experiment.name}' {where}")

    def _take_experiment(self, experiment: str, place: str | None, store: str, runs: Collection[str] | None):
        """The experiment, made or restored if need be. Arguments: `store` is its name; `runs` as in the class."""
        from mlflow.exceptions import MlflowException

        found, new = self.client.get_experiment_by_name(experiment), False
        if found is None:
            try:
                self.client.create_experiment(experiment, place, tags={KEYED: "yes"})
                new = True
            except MlflowException:  # another process made it in between
                pass
            found = self.client.get_experiment_by_name(experiment)
            if found is None:
                raise LookupError(f"MLflow has no experiment '{experiment}', although it was asked to make it")
        self.experiment_id = found.experiment_id
        # Names the store in the state beside each record: another store, or this one made anew, gets everything.
        key = f"{store}|{self.experiment_id}|{found.creation_time}"
        self.store = hashlib.sha256(key.encode()).hexdigest()[:16]
        self.restoring = Restoring(self.client, self.experiment_id, self.root, self.store, runs)
        if found.lifecycle_stage == "deleted":
            self.notes.append(self.restoring.restore_experiment(experiment))
        else:
            self.restoring.finish()  # what a process that was killed has begun
        if count := self.restoring.restore_runs():
            self.notes.append(f"runs of this grid ({count:,}), deleted in MLflow with the experiment, are restored")
        self._keyed = new or KEYED in found.tags
        if not self._keyed and not self._search("", max_results=1):  # made by hand, and empty
            self.client.set_experiment_tag(self.experiment_id, KEYED, "yes")
            self._keyed = True
        return found

    def _search(self, text: str, **limits) -> list:
        """Runs of the experiment, deleted ones too."""
        from mlflow.entities import ViewType

        return self.client.search_runs([self.experiment_id], text, run_view_type=ViewType.ALL, **limits)

    def replay(self, folder) -> str | None:
        """Brings into MLflow what it does not have yet of a run's record.

        Args:
            folder: of the run.

        Returns:
            the MLflow run's id; None when nothing is recorded yet.

        Raises:
            RecordError, GoneError, RefusedError: something is wrong with this run alone.
            Exception: whatever MLflow raises when a server does not answer.
        """
        folder = Path(folder)
        if whole := self._whole(folder):
            return whole["run_id"]
        with _record_locked(folder / "record.jsonl") as data:
            if not data:
                return None
            state = read_state(folder)
            if state.get("store") != self.store or state["bytes"] > len(data):
                state = {"store": self.store, "run_id": None, "bytes": 0}
            end = data.rfind(b"\n") + 1
            if end > state["bytes"]:
                every = Record(folder / "record.jsonl").parse(data[:end])
                run_id = self._find_or_create(folder, every[0], state["run_id"])
                if run_id != state["run_id"]:
                    state |= {"run_id": run_id, "bytes": 0}
                sent = data.count(b"\n", 0, state["bytes"])
                with _refusals():
                    self._send(run_id, folder, every[:sent], every[sent:])
                state["bytes"], state["open"] = end, every[-1]["event"] != "end"
                for left in folder.glob(".mirror.json.*.part"):  # by a mirror that was killed: the lock is ours
                    left.unlink(missing_ok=True)
                write_state(folder, state)
            return state["run_id"]

    def _whole(self, folder: Path) -> dict | None:
        """The state of a run whose record has not grown since its last replay."""
        state = read_state(folder)
        try:
            size = (folder / "record.jsonl").stat().st_size
        except FileNotFoundError:
            return None
        return state if state.get("store") == self.store and state["bytes"] == size else None

    def has_all(self, folder) -> bool:
        """Whether MLflow has the complete record of a run, and no stage is under way."""
        if self.mirrored.run_id(folder):
            return True
        state = self._whole(Path(folder))
        if state is None or state.get("open", True):
            return False
        self.mirrored.add(folder, state["run_id"], state["bytes"])
        return True

    def _find_or_create(self, folder: Path, first: dict, known: str | None) -> str:
        """The id of the run's one MLflow run, made when there is none.

        A server that answered too late, or with an error although it had done what it was asked to, may have made a
        second run: the oldest stays, for whoever looks.
        """
        key = f"{RUN_KEY}{folder.name}" if self._keyed else RUN_TAG  # without keys, all runs are looked through
        found = self._search(f"tags.`{key}` = '{folder.name}'")
        there = sorted((run.info.start_time, run.info.run_id) for run in found if run.info.lifecycle_stage != "deleted")
        for _, second in there[1:]:
            self.client.delete_run(second)
        if there:
            return there[0][1]
        if found or known:
            run_id = known or found[0].info.run_id
            waits = " with the experiment; a launch of its own grid restores it" * self.restoring.is_waiting(run_id)
            raise GoneError(f"its MLflow run {run_id} was deleted{waits}")
        tags = {**tags_of(folder.name), "mlflow.source.type": "JOB", "mlflow.source.name": "ratecore"}
        name = first.get("labels", {}).get("name", folder.name)
        with _sent_once():
            run = self.client.create_run(self.experiment_id, start_time=_milliseconds(first), tags=tags, run_name=name)
        return run.info.run_id

    def _send(self, run_id: str, folder: Path, before: list[dict], events: list[dict]) -> None:
        """Sends events to MLflow. Those `before` them were sent earlier."""
        from mlflow.entities import Metric, Param, RunTag

        translate, known, has_error = Translation(), {}, False
        for event in before:
            shown = translate(event)
            _add_news(event, shown.points, known)
            has_error = has_error or "error" in shown.tags
        metrics, params, tags, artifacts = [], {}, {}, {}
        for event in events:
            shown, when = translate(event), _milliseconds(event)
            params |= shown.params
            tags |= shown.tags
            has_error = has_error or "error" in shown.tags
            news = _add_news(event, shown.points, known)
            metrics += [Metric(metric_name(name), value, when, step) for (name, step), value in news.items()]
            if event["event"] == "artifact":
                artifacts[event["path"]] = event | {"folder": shown.folder}  # of a file written again, the newest
        status, ended, error = status_of([*before, *events])
        if ended and has_error:
            tags["error"] = error
        for event in artifacts.values():
            # What a stage under way has changed since, as the conversion does a .mat, it will record again.
            self._send_artifact(run_id, folder, event, under_way=events[-1]["event"] != "end")
        for k in range(0, len(metrics), BATCH):
            self.client.log_batch(run_id, metrics=metrics[k : k + BATCH])
        params = [Param(key, str(value)) for key, value in params.items()]
        tags = [RunTag(key, str(value)) for key, value in tags.items() if value is not None]
        for k in range(0, max(len(params), len(tags)), 100):
            self.client.log_batch(run_id, params=params[k : k + 100], tags=tags[k : k + 100])
        if ended:
            self.client.set_terminated(run_id, status=status, end_time=_milliseconds(ended))
        else:
            self.client.update_run(run_id, status=status)

    def _send_artifact(self, run_id: str, folder: Path, event: dict, under_way: bool = False) -> None:
        path = folder / event["path"]
        root = next((place.parent for place in folder.parents if place.name == "runs"), folder)
        try:
            inside(root.absolute(), path.absolute())  # both may be seen from the working folder: `results: ../x`
        except ValueError as error:  # a record that would send any file of this machine to the server
            raise RecordError(f"{folder / 'record.jsonl'}: {error}") from None
        if path.is_file() and sha256_of(path) == event["sha256"]:
            self.client.log_artifact(run_id, str(path), event["folder"] or None)
        elif not under_way:
            print(f"tracking: {path} is not there as it was recorded; it is left out of MLflow", file=sys.stderr)


def _add_news(event: dict, points: dict, known: dict) -> dict:
    """The points to send, which become known: each of a training curve once, others when their value has changed.

    A stage that is done again has the same points, and MLflow would show each twice.
    """
    is_curve = event["event"] == "metrics"
    news = {p: value for p, value in points.items() if p not in known or (not is_curve and known[p] != value)}
    known |= news
    return news


@contextlib.contextmanager
def _sent_once():
    """MLflow does not repeat a request by itself: a repeated request for a run makes a second one."""
    name = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
    before = os.environ[name]
    os.environ[name] = "0"
    try:
        yield
    finally:
        os.environ[name] = before


@contextlib.contextmanager
def _refusals():
    """Turns MLflow's errors about what was sent into a RefusedError, unlike those about a server in trouble."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if error.error_code in ("INVALID_PARAMETER_VALUE", "BAD_REQUEST"):
            raise RefusedError(f"MLflow refuses it: {error}".splitlines()[0]) from error
        raise


def _milliseconds(event: dict) -> int:
    return round(event["time"] * 1000)


@contextlib.contextmanager
def _record_locked(path: Path):
    """The bytes of a record, while no other process mirrors it; b'' when there is none."""
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
