"""MLflow as a mirror of run records: one MLflow run for each network; replaying a record again changes nothing.

`mlflow` is imported when it is first needed, since that takes seconds.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import sys
from pathlib import Path

from ratecore.files import inside, locked, read_sealed_json, sealed_json, write_atomic
from ratecore.redaction import without_secrets
from ratecore.tracking.record import LARGEST, Record, RecordError

RUN_TAG = "ratecore.run"  # the run's identity: finds the MLflow run of a network again
STATUS = {"done": "FINISHED", "interrupted": "KILLED", "killed": "KILLED"}  # of an `end`; all others are FAILED
BATCH = 1000  # entries that MLflow takes in one call
# A tracking server must never hold up an exit for minutes; what it misses is replayed later.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")


def tracking_uri(configured: str | None, results) -> str:
    """The MLflow tracking URI: of the environment, of the configuration, or a SQLite file in the results folder."""
    default = f"sqlite:///{Path(results).resolve()}/mlflow.db"
    given = {"the environment's MLFLOW_TRACKING_URI": os.environ.get("MLFLOW_TRACKING_URI"), "tracking.uri": configured}
    for name, uri in given.items():
        if uri and not uri.isprintable():  # the value is not shown: it may hold a password
            raise ValueError(f"{name}: it must be a URI without line breaks and other control characters")
        if uri:
            return uri
    return default


class GoneError(RuntimeError):
    """A run that was deleted in MLflow by hand."""


class Mirror:
    """An MLflow experiment and the means to bring runs into it.

    Args:
        uri: tracking URI.   experiment: name of the MLflow experiment; made when it is not there.
        results: folder of all results; artifacts go to `mlartifacts` in it when the store is a local file.

    Raises:
        MlflowException: the store cannot be reached.
    """

    def __init__(self, uri: str, experiment: str, results):
        from mlflow.tracking import MlflowClient

        local = uri.startswith("sqlite:")
        if local:
            path = Path(uri.removeprefix("sqlite:///").partition("?")[0])
            path.parent.mkdir(parents=True, exist_ok=True)
            uri += "" if "?" in uri else "?timeout=60"  # wait for a database that another job has locked
        self.client = MlflowClient(uri)
        # The first use of a SQLite file makes its tables, which two processes at once would break.
        with locked(Path(results) / ".mlflow.lock") if local else contextlib.nullcontext():
            self._take_experiment(
                experiment, str(Path(results).resolve() / "mlartifacts" / experiment) if local else None
            )
        created = self.client.get_experiment(self.experiment_id).creation_time
        # Names the store in the state beside each record: another store, or this one made anew, gets everything.
        place = f"{without_secrets(uri)}|{self.experiment_id}|{created}"
        self.store = hashlib.sha256(place.encode()).hexdigest()[:16]

    def _take_experiment(self, experiment: str, place: str | None) -> None:
        from mlflow.exceptions import MlflowException

        found = self.client.get_experiment_by_name(experiment)
        if found is None:
            try:
                self.experiment_id = self.client.create_experiment(experiment, artifact_location=place)
            except MlflowException:  # another process made it in between
                found = self.client.get_experiment_by_name(experiment)
                if found is None:
                    raise
        if found is not None:
            if found.lifecycle_stage == "deleted":
                self.client.restore_experiment(found.experiment_id)
            self.experiment_id = found.experiment_id

    def replay(self, folder) -> str | None:
        """Brings what the record of one run says, and MLflow has not yet, into MLflow.

        Args:
            folder: of the run.

        Returns:
            the MLflow run's id; None when nothing is recorded yet.
        """
        folder = Path(folder)
        if self._seen_whole(folder):
            return read_state(folder)["run_id"]
        with _record_locked(folder / "record.jsonl") as data:
            if not data:
                return None
            state = read_state(folder)
            if state.get("store") != self.store or state["bytes"] > len(data):
                state = {"store": self.store, "run_id": None, "bytes": 0}
            end = data.rfind(b"\n") + 1
            if end > state["bytes"]:
                record = Record(folder / "record.jsonl")
                events = record.parse(data[state["bytes"] : end])
                earlier = record.parse(data[: state["bytes"]])
                state["run_id"] = state["run_id"] or self._find_or_create(folder, (earlier + events)[0])
                self._see_that_it_is_there(state["run_id"])
                self._send(state["run_id"], folder, events, known=_points(earlier))
                state["bytes"], state["open"] = end, (earlier + events)[-1]["event"] != "end"
                write_state(folder, state)
            return state["run_id"]

    def _seen_whole(self, folder: Path) -> bool:
        """Whether the record is as long as it was when it was replayed last."""
        state = read_state(folder)
        try:
            size = (folder / "record.jsonl").stat().st_size
        except FileNotFoundError:
            return False
        return state.get("store") == self.store and state["bytes"] == size

    def has_all(self, folder) -> bool:
        """Whether MLflow has the whole record of a run, and no stage of it is under way."""
        return self._seen_whole(Path(folder)) and not read_state(folder).get("open", True)

    def _find_or_create(self, folder: Path, first: dict) -> str:
        found = self.client.search_runs([self.experiment_id], f"tags.`{RUN_TAG}` = '{folder.name}'", max_results=1)
        if found:
            return found[0].info.run_id
        tags = {RUN_TAG: folder.name, "mlflow.source.type": "JOB", "mlflow.source.name": "ratecore"}
        run = self.client.create_run(
            self.experiment_id,
            start_time=_milliseconds(first),
            tags=tags,
            run_name=first.get("labels", {}).get("name", folder.name),
        )
        return run.info.run_id

    def _see_that_it_is_there(self, run_id: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            gone = self.client.get_run(run_id).info.lifecycle_stage == "deleted"
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            gone = True
        if gone:
            raise GoneError(f"its MLflow run {run_id} was deleted")

    def _send(self, run_id: str, folder: Path, events: list[dict], known: set) -> None:
        from mlflow.entities import Metric, Param, RunTag

        metrics, params, tags, status = [], {}, {}, None
        for event in events:
            when = _milliseconds(event)
            params |= event.get("params", {})
            tags |= event.get("tags", {})
            values = [(name, event.get("step", 0), value) for name, value in event.get("values", {}).items()]
            if event["event"] == "metrics":
                # A training that was killed and done again has the same points; MLflow would show each twice.
                values = [point for point in values if point[:2] not in known]
                known |= {point[:2] for point in values}
            values += [(name, step, value) for name, curve in event.get("curves", {}).items() for step, value in curve]
            metrics += [Metric(metric_name(name), value, when, step) for name, step, value in values]
            if event["event"] == "artifact":
                self._send_artifact(run_id, folder, event)
            elif event["event"] == "start":
                status = ("RUNNING", None)
            elif event["event"] == "end":
                status = (STATUS.get(event["status"], "FAILED"), when)
        for k in range(0, len(metrics), BATCH):
            self.client.log_batch(run_id, metrics=metrics[k : k + BATCH])
        params = [Param(key, str(value)) for key, value in params.items()]
        tags = [RunTag(key, str(value)) for key, value in tags.items() if value is not None]
        for k in range(0, max(len(params), len(tags)), 100):
            self.client.log_batch(run_id, params=params[k : k + 100], tags=tags[k : k + 100])
        if status and status[1] is None:
            self.client.update_run(run_id, status="RUNNING")
        elif status:
            self.client.set_terminated(run_id, status=status[0], end_time=status[1])

    def _send_artifact(self, run_id: str, folder: Path, event: dict) -> None:
        path = folder / event["path"]
        root = next((place.parent for place in folder.parents if place.name == "runs"), folder)
        try:
            inside(root, path)
        except ValueError as error:  # a record that would send any file of this machine to the server
            raise RecordError(f"{folder / 'record.jsonl'}: {error}") from None
        if path.is_file():
            self.client.log_artifact(run_id, str(path), event["folder"] or None)
        else:
            print(f"tracking: {path} is recorded and not there any more; it is left out of MLflow", file=sys.stderr)


def _points(events: list[dict]) -> set:
    """(name, step) of every point of a curve that was sent while the run trained."""
    return {(name, e["step"]) for e in events if e["event"] == "metrics" for name in e["values"]}


def _milliseconds(event: dict) -> int:
    return round(event["time"] * 1000)


def metric_name(name: str) -> str:
    """The name with what MLflow does not allow spelled out: 'eval/accuracy/+-' is 'eval/accuracy/plus_minus'."""
    words = re.sub(r"([+-])(?=[+-])", r"\1_", name)
    words = re.sub(r"(?<![A-Za-z0-9])-|-$", "minus", words.replace("+", "plus"))
    return re.sub(r"[^\w ./-]", "_", words).replace(" ", "_")


def read_state(folder) -> dict:
    """How far the mirror of a run has come: `store`, `run_id`, `bytes`; empty before its first replay."""
    try:
        return read_sealed_json(Path(folder) / "mirror.json")
    except (FileNotFoundError, ValueError):
        return {}  # not there or damaged: the record is replayed from the start, which changes nothing that is there


def write_state(folder, state: dict) -> None:
    """Writes what `read_state` reads."""
    write_atomic(Path(folder) / "mirror.json", sealed_json(state))


@contextlib.contextmanager
def _record_locked(path: Path):
    """The bytes of a record, while no other process mirrors it; b'' when there is none."""
    try:
        file = open(path, "r+b")  # some network file systems lock only what could be written
    except FileNotFoundError:
        yield b""
        return
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if (size := os.fstat(file.fileno()).st_size) > LARGEST:
            raise RecordError(f"{path}: it has {size:,} bytes; at most {LARGEST:,} are read")
        yield file.read()
